#!/usr/bin/env python3
"""Makes the documents of tests/data/docs that are not written by hand: DOCX, EPUB, hostile archives.

    tests/golden/make_docs.py tests/data/docs

The same input gives the same bytes. Needs nothing but Python and, for the encrypted archive, zip.
"""
import os
import subprocess
import sys
import tempfile
import zipfile

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
TYPES = ('<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
         'content-types"><Default Extension="xml" ContentType="application/xml"/></Types>')

STYLES = f'''<?xml version="1.0"?><w:styles {W}>
<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/></w:style>
<w:style w:type="paragraph" w:styleId="Sub"><w:name w:val="Own"/><w:basedOn w:val="Base"/></w:style>
<w:style w:type="paragraph" w:styleId="Base"><w:name w:val="Other"/><w:pPr>
<w:outlineLvl w:val="1"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="Src"><w:name w:val="Source Code"/></w:style>
<w:style w:type="character" w:styleId="C"><w:name w:val="heading 3"/></w:style></w:styles>'''


def p(text, style=None, props=''):
    style = f'<w:pStyle w:val="{style}"/>' if style else ''
    return f'<w:p><w:pPr>{style}{props}</w:pPr>{text}</w:p>'


def r(text, props=''):
    return f'<w:r><w:rPr>{props}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


ITEM = '<w:numPr><w:ilvl w:val="{}"/><w:numId w:val="1"/></w:numPr>'
BODY = ''.join([
    p(r('The Lighthouse'), 'H1'),
    p(r('The keeper climbs ') + r('two hundred') + r(' steps &amp; lights the lamp.')
      + '<w:r><w:footnoteReference w:id="2"/></w:r>'),
    p(r('Inside'), 'Sub'),
    p(r('He has ') + '<w:del><w:r><w:delText>three</w:delText></w:r></w:del>'
      + '<w:ins>' + r('four') + '</w:ins>' + r(' cats.') + r('hidden', '<w:vanish/>')),
    p(r('A chair'), None, ITEM.format(0)),
    p(r('of oak'), None, ITEM.format(1)),
    '<w:tbl><w:tr><w:tc>' + p(r('Name')) + '</w:tc><w:tc>' + p(r('Height')) + '</w:tc></w:tr>'
    '<w:tr><w:tc>' + p(r('Tower')) + '</w:tc><w:tc>' + p(r('41 m')) + p(r('or so')) +
    '</w:tc></w:tr></w:tbl>',
    p(r('int main(void)'), 'Src'), p(r('{'), 'Src'), p(r('    return 0;'), 'Src'), p(r('}'), 'Src'),
    p('<w:moveFrom>' + r('gone') + '</w:moveFrom>' + r('The sea') + '<w:r><w:br/></w:r>'
      + r('is grey.') + '<w:r><w:instrText>PAGE</w:instrText></w:r>'),
    # How it looked before changes that are tracked.
    p(r('Outside'), 'Sub', '<w:pPrChange w:id="1"><w:pPr><w:pStyle w:val="Src"/>'
      + ITEM.format(2) + '</w:pPr></w:pPrChange>'),
    p(r('Gulls, which were hidden.', '<w:rPrChange w:id="2"><w:rPr><w:vanish/></w:rPr>'
        '</w:rPrChange>')),
])
DOCUMENT = f'<?xml version="1.0"?><w:document {W}><w:body>{BODY}<w:sectPr/></w:body></w:document>'
NOTES = (f'<?xml version="1.0"?><w:footnotes {W}><w:footnote w:type="separator" w:id="0">'
         + p(r('line')) + '</w:footnote><w:footnote w:id="2">' + p(r('Every evening.'))
         + '</w:footnote></w:footnotes>')
CORE = ('<?xml version="1.0"?><cp:coreProperties xmlns:cp="x" xmlns:dc="y"><dc:title>Lamps</dc:title>'
        '<dc:creator>N. Body</dc:creator><dc:language>en-GB</dc:language></cp:coreProperties>')


def archive(path, members, stored=()):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for name, text in members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            z.writestr(info, text)


def docx(path, document, extra=()):
    archive(path, [('[Content_Types].xml', TYPES), ('word/document.xml', document), *extra])


CONTAINER = ('<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
             'container"><rootfiles><rootfile full-path="OEBPS/book.opf" media-type="x"/>'
             '</rootfiles></container>')
OPF = '''<?xml version="1.0"?><package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>Two Tides</dc:title><dc:creator>N. Body</dc:creator><dc:language>en</dc:language>
</metadata><manifest>
<item id="b" href="text/ebb%20tide.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="./text/../text/flood.xhtml" media-type="application/xhtml+xml"/>
<item id="c" href="text/gone.xhtml" media-type="application/xhtml+xml"/>
<item id="s" href="style.css" media-type="text/css"/>
<item id="out" href="../../etc/passwd" media-type="application/xhtml+xml"/>
</manifest><spine><itemref idref="a"/><itemref idref="b"/><itemref idref="c"/>
<itemref idref="s"/><itemref idref="out"/><itemref idref="none"/></spine></package>'''


def chapter(title, body):
    return ('<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html '
            f'xmlns="http://www.w3.org/1999/xhtml"><head><title>{title}</title><script src="x"/>'
            f'</head><body>{body}</body></html>')


EPUB = [
    ('mimetype', 'application/epub+zip'),
    ('META-INF/container.xml', CONTAINER),
    ('OEBPS/book.opf', OPF),
    ('OEBPS/text/ebb tide.xhtml', chapter('\n  Two\n  Tides\n', '<h2>Ebb</h2><p>The water&#160;goes.</p>')),
    ('OEBPS/text/flood.xhtml', chapter('\n  Flood\n', '<h2>I</h2><p>The water comes.</p>')),
    ('OEBPS/style.css', 'p { color: red }'),
]

BOMB = ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">'
        '<!ENTITY c "&b;&b;&b;&b;&b;">]>')


def main():
    out = sys.argv[1]
    at = lambda name: os.path.join(out, name)
    docx(at('lighthouse.docx'), DOCUMENT,
         [('word/styles.xml', STYLES), ('word/footnotes.xml', NOTES), ('docProps/core.xml', CORE)])
    archive(at('tides.epub'), EPUB, stored=('mimetype',))
    paragraph = p(r('x' * 200))
    docx(at('bad_zip_bomb.docx'), f'<w:document {W}><w:body>{paragraph * (1 << 15)}</w:body>'
         '</w:document>' + ' ' * (24 << 20))
    docx(at('bad_entity_bomb.docx'), BOMB + f'<w:document {W}><w:body>'
         + p('<w:r><w:t>&c;</w:t></w:r>') + '</w:body></w:document>')
    docx(at('bad_deep.docx'), f'<w:document {W}><w:body>' + '<w:sdt>' * 5000)
    docx(at('bad_malformed.docx'), f'<w:document {W}><w:body><w:p></w:body></w:document>')
    archive(at('bad_no_document.docx'), [('word/other.xml', '<x/>')])
    archive(at('bad_entity_bomb.epub'),
            [(n, BOMB + '<html><body><p>&c;</p></body></html>' if n.endswith('flood.xhtml') else t)
             for n, t in EPUB], stored=('mimetype',))
    archive(at('bad_no_package.epub'), EPUB[:2], stored=('mimetype',))
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, 'word'))
        with open(os.path.join(folder, 'word', 'document.xml'), 'w') as f:
            f.write(DOCUMENT)
        os.utime(os.path.join(folder, 'word', 'document.xml'), (315532800, 315532800))
        target = os.path.abspath(at('bad_encrypted.docx'))
        if os.path.exists(target):
            os.remove(target)
        subprocess.run(['zip', '-q', '-X', '-P', 'secret', target, 'word/document.xml'],
                       cwd=folder, check=True)


main()
