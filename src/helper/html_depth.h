/* HTML that nests too deep: gumbo's time grows with the square of the depth, because every start
 * tag looks through the elements that are open. Tags that lie deeper than PH_HTML_NESTING_MAX are
 * taken out before it sees them; their text stays. Browsers stop at about the same depth (512). */
#ifndef PH_HELPER_HTML_DEPTH_H
#define PH_HELPER_HTML_DEPTH_H

#include "base/buf.h"
#include "base/str.h"

/* Of elements with an end tag. With those between them (a table has three for each) the tree stays
 * within PH_HTML_DEPTH_MAX. */
#define PH_HTML_NESTING_MAX 500

/* *html becomes what is in `room`, if tags had to be taken out. Errors: NO_MEMORY. */
phial_status ph_html_limit_depth(ph_str *html, ph_buf *room, phial_error *err);

#endif
