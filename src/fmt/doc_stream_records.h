/* What writer and reader of the stream share; the format is described in doc_stream.h. */
#ifndef PH_FMT_DOC_STREAM_RECORDS_H
#define PH_FMT_DOC_STREAM_RECORDS_H

enum {
    PH_DOC_HELLO = 1,
    PH_DOC_INFO = 2,
    PH_DOC_NOTE = 3,
    PH_DOC_PAGE = 4,
    PH_DOC_LABEL = 5,
    PH_DOC_BLOCK = 6,
    PH_DOC_MORE = 7,
    PH_DOC_PAGE_END = 8,
    PH_DOC_WORDS_PAGE = 9,
    PH_DOC_WORDS = 10,
    PH_DOC_FAILED = 11,
    PH_DOC_END = 12
};

enum {
    PH_DOC_HEAD_BYTES = 5,  /* of a record */
    PH_DOC_WORD_BYTES = 26, /* of a word in front of its text */
    PH_DOC_WORDS_PAGE_BYTES = 14
};

#endif
