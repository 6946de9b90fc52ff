#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pages that list folders, as a browser takes them: what they show, and that each link leads where it says."""

import html.parser
import os
import signal
import urllib.parse

from harness import Http, for_both_modes, main, test

ODD_NAMES = [b"plain.txt", b"with space", b" lead and end ", b"<b>&\"'`.html", b"a?b=c#d&e%41", b"new\nline",
             b"tab\tand\x01", b"javascript:alert(1)", b"-rf", b"~user", b"back\\slash", "ünï €😀".encode(),
             b"\xff\xfe not UTF-8", b"n" * 255, "rtl\u202egpj.exe".encode(), b"a:b", b"semi;colon,comma", b"%2e%2e"]


class Page(html.parser.HTMLParser):
    """A listing: its rows as (href, text, size, time), the links of its heading, and all its tags in balance."""

    VOID = {"meta", "br", "!doctype"}

    def __init__(self, data):
        super().__init__()
        self.rows, self.columns, self.heading, self.text = [], [], [], ""
        self.open, self.within = [], None
        self.feed(data.decode("utf-8"))
        self.close()
        assert not self.open, self.open
        for row in self.rows:
            assert row["text"], row

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr" and "tbody" in self.open:
            self.within = {"href": None, "text": "", "size": None, "time": None}
            self.rows.append(self.within)
        if tag == "a":
            where = self.within if "tbody" in self.open else {"href": None, "text": ""}
            where["href"] = attributes["href"]
            if "h1" in self.open:
                self.heading.append(where)
            if "thead" in self.open:
                self.columns.append(where)
            self.within = where
        if tag == "data":
            self.within["size"] = int(attributes["value"])
        if tag == "time":
            self.within["time"] = attributes["datetime"]
        assert tag not in ("script", "img", "link", "iframe") and "src" not in attributes, (tag, attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.open)

    def handle_data(self, data):
        if "a" in self.open and self.within is not None:
            self.within["text"] += data
        elif "p" in self.open:
            self.text += data

    def names(self):
        return [row["text"] for row in self.rows]

    def hrefs(self):
        return [row["href"] for row in self.rows]


def site(case, rules="listing yes", **options):
    """A server of html/ that lists folders; its port."""
    (case.folder / "html").mkdir(exist_ok=True)
    text, port = case.service(f"http {{ root html; {rules} }}", extra="timeout { park 60s }", **options)
    case.server(text)
    return port


def page_of(port, path="/"):
    with Http(port) as http:
        got = http.get(path)
        assert got.status == 200, got
        return Page(got.body)


@for_both_modes
def a_folder_without_an_index_is_listed_where_asked_for(case):
    case.write("html/open/a.txt", "12345")
    case.write("html/closed/a.txt", "")
    case.write("html/indexed/index.html", "the index")
    case.write("html/open/sub/b.txt", "")
    port = site(case, "location /open/ { listing yes }; location /indexed/ { listing yes }")
    with Http(port) as http:
        assert http.get("/").status == 403
        assert http.get("/closed/").status == 403
        assert http.get("/indexed/").body == b"the index"
        assert http.get("/open").status == 301
        assert http.get("/open/none/").status == 404
        got = http.get("/open/")
        assert got.status == 200 and got.headers["content-type"] == "text/html; charset=utf-8", got
        assert got.headers["cache-control"] == "no-cache", got
        assert "default-src 'none'" in got.headers["content-security-policy"], got
        assert "last-modified" not in got.headers and "etag" not in got.headers, got
        page = Page(got.body)
        assert page.hrefs() == ["../", "sub/", "a.txt"], page.rows
        assert page.rows[2]["size"] == 5, page.rows
        assert http.get("/open/sub/").status == 200
        head = http.get("/open/", "HEAD")
        assert head.status == 200 and head.headers["content-length"] == got.headers["content-length"], head
        assert http.get("/open/", "POST").status == 405
        again = http.get("/open/", headers=["If-None-Match: *", "Range: bytes=0-1"])
        assert again.status in (200, 412) and again.body in (got.body, again.body), again
        assert http.get("/open/a.txt").body == b"12345"


@for_both_modes
def every_link_leads_to_its_file(case):
    """Names of all kinds of bytes: what the page links to is served, and is the file of that name."""
    folder = os.fsencode(case.folder) + b"/html"
    os.mkdir(folder)
    for number, name in enumerate(ODD_NAMES):
        with open(folder + b"/" + name, "wb") as file:
            file.write(b"%d" % number)
        os.makedirs(folder + b"/deep" + b"/" + name[:200] + b".d/inner")
    port = site(case)
    page = page_of(port)
    assert len(page.rows) == len(ODD_NAMES) + 1, page.names()
    with Http(port) as http:
        for row in page.rows[1:]:
            target = urllib.parse.urljoin("http://test/", row["href"])
            assert target.startswith("http://test/"), row
            got = http.get(target.removeprefix("http://test"))
            name = ODD_NAMES[int(got.body)]
            assert got.status == 200 and urllib.parse.unquote_to_bytes(row["href"]) == name, (row, got)
            assert not any(ord(c) < 0x20 or ord(c) == 0x7f or c == "\u202e" for c in row["text"]), row
            if name.isascii() and name.decode().isprintable():
                assert row["text"] == name.decode(), row
        for row in page_of(port, "/deep/").rows[1:]:
            got = http.get("/deep/" + row["href"])
            inner = Page(got.body)
            assert inner.hrefs() == ["../", "inner/"], (row, inner.rows)
            # From the heading every folder above can be reached.
            here = "http://test/deep/" + row["href"]
            assert [urllib.parse.urljoin(here, link["href"]) for link in inner.heading] == \
                ["http://test/", "http://test/deep/", here], inner.heading


@for_both_modes
def columns_sort(case):
    for name, size, modified in (("b", 1, 300), ("a", 3, 200), ("c", 2, 100), ("Z", 0, 400)):
        path = case.write(f"html/{name}", "x" * size)
        os.utime(path, (modified * 86400, modified * 86400))
    (case.folder / "html/folder").mkdir()
    port = site(case)
    first = page_of(port)
    assert first.names() == ["folder/", "Z", "a", "b", "c"], first.names()
    assert [link["href"] for link in first.columns] == \
        ["?sort=name&order=desc", "?sort=size&order=asc", "?sort=time&order=asc"], first.columns
    orders = {"?sort=name&order=desc": "c b a Z", "?sort=size&order=asc": "Z b c a",
              "?sort=size&order=desc": "a c b Z", "?sort=time&order=asc": "c a b Z",
              "?sort=time&order=desc": "Z b a c", "?sort=bogus&order=%3Cb%3E": "Z a b c"}
    for query, order in orders.items():
        assert page_of(port, "/" + query).names() == ["folder/", *order.split()], query
    turned = page_of(port, "/?sort=size&order=asc").columns[1]
    assert turned["href"] == "?sort=size&order=desc", turned
    assert first.rows[1]["time"] == "1971-02-05 00:00:00Z", first.rows


@for_both_modes
def only_what_is_served_is_shown(case):
    case.write("html/shown", "x")
    case.write("html/.hidden", "x")
    case.write("secret", "x")
    os.mkfifo(case.folder / "html/pipe")
    for target, name in (("shown", "inside"), ("../secret", "outside"), ("/etc", "etc"), ("none", "dangling")):
        os.symlink(target, case.folder / "html" / name)
    port = site(case)
    with Http(port) as http:
        page = Page(http.get("/").body)
        for name in page.hrefs():
            assert http.get("/" + name).status == 200, name
    assert set(page.names()) in ({"inside", "shown"}, {"shown"}), page.names()
    text, port = case.service("http { root html; listing yes; follow-symlinks yes }", name="follows")
    case.server(text)
    assert set(page_of(port).names()) == {"etc/", "inside", "outside", "shown"}


@for_both_modes
def a_folder_that_changes_is_shown_as_it_is(case):
    port = site(case)
    with Http(port) as http:
        assert Page(http.get("/").body).names() == []
        case.write("html/new", "")
        assert Page(http.get("/").body).names() == ["new"]
        (case.folder / "html/new").unlink()
        assert Page(http.get("/").body).names() == []


@test
def a_huge_folder_has_a_page_that_says_what_is_missing(case):
    (case.folder / "html/big").mkdir(parents=True)
    for number in range(12000):
        (case.folder / f"html/big/{number:05d}").touch()
    port = site(case, connections=64)
    page = page_of(port, "/big/")
    assert len(page.rows) <= 10001, len(page.rows)
    if "At least" not in page.text:  # it had the time to count
        assert len(page.rows) == 10001 and page.text == "2000 more entries are not shown.", page.text
    names = page.hrefs()[1:]
    assert names == sorted(names)


@test
def who_asks_for_many_huge_pages_does_not_keep_others_waiting(case):
    """Two requests are there at once, behind the first of them 31 more: the other client is served in between."""
    for number in range(3000):
        case.write(f"html/big/{number:05d}", "")
    case.write("html/small", "small")
    text, port = case.service("http { root html; listing yes; access-log log; access-log-format common }",
                              workers=1, connections=64)
    server = case.server(text)
    worker = server.wait_workers(1)[0]
    with Http(port) as greedy, Http(port) as other:
        assert greedy.get("/small").status == other.get("/small").status == 200
        os.kill(worker, signal.SIGSTOP)
        greedy.send("HEAD /big/ HTTP/1.1\r\nHost: x\r\n\r\n" * 32)
        other.send("GET /small HTTP/1.1\r\nHost: x\r\n\r\n")
        os.kill(worker, signal.SIGCONT)
        assert other.read().body == b"small"
        for _ in range(32):
            assert greedy.read(head=True).status == 200
    server.stop()
    lines = (case.folder / "log").read_text().splitlines()[2:]
    place = ["/small" in line for line in lines].index(True)
    assert len(lines) == 33 and place <= 1, f"served as number {place} of {len(lines)}"


if __name__ == "__main__":
    main()
