#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Parts of files and conditions (RFC 9110 sections 13 and 14) as a client sees them, run direct and multiplexed."""

import email
import email.policy
import os
import re

from harness import Http, connect, for_both_modes, main

SIZES = {"small": 1000, "middle": 100_000, "large": 300_000, "film": 6 * 1024 * 1024 + 4321}
MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"


def pattern(size):
    """Bytes of which no two pieces of eight are the same."""
    return b"".join(b"%07d\n" % number for number in range(size // 8 + 1))[:size]


CONTENT = {name: pattern(size) for name, size in SIZES.items()}
CONTENT["empty"] = b""


def site(case):
    """The port of a server of these files, from memory the first two, from descriptors the others."""
    folder = case.folder / "html"
    folder.mkdir()
    for name, content in CONTENT.items():
        path = folder / f"{name}.txt"
        path.write_bytes(content)
        os.utime(path, (784111777, 784111777))
    text, port = case.service("http { root html; cache { file-size 128k } }",
                              extra="timeout { park 60s }")
    case.server(text)
    return port


def parts_of(response):
    """The parts of a multipart/byteranges response: (from, to, size of the whole, content) each."""
    kind = response.headers["content-type"]
    assert kind.startswith("multipart/byteranges; boundary="), kind
    assert "content-range" not in response.headers, response.headers
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + response.body,
                                       policy=email.policy.HTTP)
    assert message.is_multipart() and not message.defects, message.defects
    assert message.preamble in (None, "") and message.epilogue in (None, ""), response
    found = []
    for part in message.get_payload():
        assert part["Content-Type"].startswith("text/plain"), part.items()
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", part["Content-Range"])
        assert match, part.items()
        found.append((*map(int, match.groups()), part.get_payload(decode=True)))
    return found


def check_parts(response, name, ranges):
    """These (from, to) and no others, in this order, each with its bytes."""
    content = CONTENT[name]
    assert response.status == 206, response
    assert int(response.headers["content-length"]) == len(response.body)
    if len(ranges) == 1:
        (first, last), = ranges
        assert response.headers["content-range"] == f"bytes {first}-{last}/{len(content)}", response.headers
        assert response.headers["content-type"].startswith("text/plain"), response.headers
        assert response.body == content[first:last + 1], (name, ranges)
        return
    assert parts_of(response) == [(first, last, len(content), content[first:last + 1])
                                  for first, last in ranges], (name, ranges)


@for_both_modes
def a_part_of_any_file_is_206(case):
    port = site(case)
    with Http(port) as http:
        for name, size in SIZES.items():
            path, end = f"/{name}.txt", size - 1
            whole = http.get(path)
            assert whole.status == 200 and whole.body == CONTENT[name]
            assert whole.headers["accept-ranges"] == "bytes"
            for value, expected in (("0-0", (0, 0)), ("0-99", (0, 99)), ("500-", (500, end)), ("-1", (end, end)),
                                    ("-300", (size - 300, end)), ("0-", (0, end)), (f"-{size + 5}", (0, end)),
                                    (f"990-{size * 2}", (990, end)), (f"{end}-", (end, end)),
                                    (f"1-{end - 1}", (1, end - 1))):
                got = http.get(path, headers=[f"Range: bytes={value}"])
                check_parts(got, name, [expected])
                for field in ("etag", "last-modified", "server", "accept-ranges", "content-type"):
                    assert got.headers[field] == whole.headers[field], (field, got)
                assert "date" in got.headers


@for_both_modes
def several_parts_are_multipart(case):
    port = site(case)
    with Http(port) as http:
        for name, size in SIZES.items():
            path, end = f"/{name}.txt", size - 1
            for value, expected in (
                    ("0-9,20-29", [(0, 9), (20, 29)]),
                    ("20-29, 0-9", [(20, 29), (0, 9)]),
                    ("0-0,-1", [(0, 0), (end, end)]),
                    (f"-500,{size}-,0-99", [(size - 500, end), (0, 99)]),
                    ("0-9,5-14,15-19", [(0, 19)]),
                    ("100-199,0-9,150-250", [(100, 250), (0, 9)]),
                    (",".join(f"{at}-{at + 20}" for at in range(0, 960, 60)),
                     [(at, at + 20) for at in range(0, 960, 60)])):
                check_parts(http.get(path, headers=[f"Range: bytes={value}"]), name, expected)
        # Parts that are larger than what is sent at a time
        value = "5000000-6000000,100-3000000"
        check_parts(http.get("/film.txt", headers=[f"Range: bytes={value}"]), "film",
                    [(5000000, 6000000), (100, 3000000)])
        first = http.get("/small.txt", headers=["Range: bytes=0-0,5-5"]).headers["content-type"]
        assert first != http.get("/small.txt", headers=["Range: bytes=0-0,5-5"]).headers["content-type"]


@for_both_modes
def what_is_not_there_is_416(case):
    port = site(case)
    with Http(port) as http:
        for name, content in CONTENT.items():
            size = len(content)
            for value in (f"{size}-", f"{size + 10}-{size + 20}", "-0", f"{size}-,{size + 5}-",
                          "99999999999999999999999-"):
                got = http.get(f"/{name}.txt", headers=[f"Range: bytes={value}"])
                assert got.status == 416, (name, value, got)
                assert got.headers["content-range"] == f"bytes */{size}", got.headers
        got = http.get("/empty.txt", headers=["Range: bytes=0-"])
        assert got.status == 416 and got.headers["content-range"] == "bytes */0"
        # The end of nothing is all of it.
        assert http.get("/empty.txt", headers=["Range: bytes=-5"]).status == 200


@for_both_modes
def what_is_no_range_is_ignored(case):
    port = site(case)
    many = ",".join(f"{at}-{at}" for at in range(0, 34, 2))
    with Http(port) as http:
        for name in ("small", "large"):
            for value in ("bytes=5-4", "bytes=", "bytes", "bytes=a-b", "bytes=--5", "bytes=0-1,x", "items=0-1",
                          "bytes = 0-1", "0-1", "bytes=0-1;2-3", f"bytes={many}"):
                got = http.get(f"/{name}.txt", headers=[f"Range: {value}"])
                assert got.status == 200 and got.body == CONTENT[name], (value, got.status)
                assert "content-range" not in got.headers
            got = http.get(f"/{name}.txt", headers=["Range: bytes=0-1", "Range: bytes=2-3"])
            assert got.status == 200 and got.body == CONTENT[name]
            # Range is for GET alone (RFC 9110 section 14.2).
            for value in ("0-1", "0-1,5-6", "999999999-"):
                got = http.get(f"/{name}.txt", "HEAD", [f"Range: bytes={value}"])
                assert got.status == 200 and got.headers["content-length"] == str(SIZES[name]), got


@for_both_modes
def a_part_is_only_of_the_file_that_the_client_knows(case):
    port = site(case)
    with Http(port) as http:
        for name in ("small", "film"):
            path = f"/{name}.txt"
            etag = http.get(path, "HEAD").headers["etag"]
            for value, applies in ((etag, True), (MODIFIED, True), ("Sunday, 06-Nov-94 08:49:37 GMT", True),
                                   ('"other"', False), (f"W/{etag}", False), (f"{etag}, {etag}", False),
                                   (BEFORE, False), (AFTER, False), ("nonsense", False), ("*", False)):
                got = http.get(path, headers=["Range: bytes=10-19", f"If-Range: {value}"])
                if applies:
                    check_parts(got, name, [(10, 19)])
                else:
                    assert got.status == 200 and got.body == CONTENT[name], (value, got.status)
            got = http.get(path, headers=[f"If-Range: {etag}"])
            assert got.status == 200
            got = http.get(path, headers=["Range: bytes=99999999-", f"If-Range: {etag}"])
            assert got.status == 416
            got = http.get(path, headers=["Range: bytes=99999999-", 'If-Range: "other"'])
            assert got.status == 200


@for_both_modes
def a_condition_that_fails_is_412(case):
    port = site(case)
    with Http(port) as http:
        for name in ("small", "large"):
            path = f"/{name}.txt"
            etag = http.get(path, "HEAD").headers["etag"]
            for fields, status in (
                    ([f"If-Match: {etag}"], 200),
                    (["If-Match: *"], 200),
                    ([f'If-Match: "other", {etag}'], 200),
                    (['If-Match: "other"', f"If-Match: {etag}"], 200),
                    (['If-Match: "other"'], 412),
                    ([f"If-Match: W/{etag}"], 412),
                    ([f"If-Unmodified-Since: {MODIFIED}"], 200),
                    ([f"If-Unmodified-Since: {AFTER}"], 200),
                    ([f"If-Unmodified-Since: {BEFORE}"], 412),
                    (["If-Unmodified-Since: nonsense"], 200),
                    # RFC 9110 section 13.2.2: what goes before what
                    ([f"If-Match: {etag}", f"If-Unmodified-Since: {BEFORE}"], 200),
                    (['If-Match: "other"', f"If-None-Match: {etag}"], 412),
                    ([f"If-Match: {etag}", f"If-None-Match: {etag}"], 304),
                    ([f"If-Unmodified-Since: {BEFORE}", f"If-Modified-Since: {MODIFIED}"], 412),
                    ([f"If-Unmodified-Since: {MODIFIED}", f"If-Modified-Since: {MODIFIED}"], 304),
                    (['If-None-Match: "other"', f"If-Modified-Since: {MODIFIED}"], 200),
                    ([f"If-None-Match: {etag}", f"If-Modified-Since: {BEFORE}"], 304),
                    ([f"If-None-Match: W/{etag}"], 304),
                    (['If-None-Match: "other"', f"If-None-Match: {etag}"], 304)):
                for method in ("GET", "HEAD"):
                    got = http.get(path, method, fields)
                    assert got.status == status, (method, fields, got.status)
                    if status == 304:
                        assert got.headers["etag"] == etag and "date" in got.headers
                        assert "content-range" not in got.headers and "content-type" not in got.headers
                # Conditions go before ranges.
                got = http.get(path, headers=[*fields, "Range: bytes=5-9"])
                if status == 200:
                    check_parts(got, name, [(5, 9)])
                else:
                    assert got.status == status, (fields, got.status)


def variants(case):
    """The port of a server of two files that lie there compressed as well; what each of the variants has."""
    found = {}
    for name, size in (("page", 2000), ("book", 400_000)):
        for number, (suffix, coding) in enumerate((("", None), (".gz", "gzip"), (".br", "br"), (".zst", "zstd"))):
            # What is in them is nothing to the server; it differs, and so does its length.
            content = pattern(size - 100 * number)[::-1] if number else pattern(size)
            case.write(f"html/{name}.txt{suffix}", "")
            path = case.folder / f"html/{name}.txt{suffix}"
            path.write_bytes(content)
            os.utime(path, (784111777, 784111777))
            found[name, coding] = content
    text, port = case.service("http { root html; precompressed yes; cache { file-size 128k } }",
                              extra="timeout { park 60s }")
    case.server(text)
    return port, found


def get_variant(http, name, accept, method="GET", fields=()):
    return http.get(f"/{name}.txt", method, [f"Accept-Encoding: {accept}", *fields])


@for_both_modes
def each_coding_is_a_representation_of_its_own(case):
    port, contents = variants(case)
    with Http(port) as http:
        for name in ("page", "book"):
            etags = set()
            for accept, coding in (("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("identity", None),
                                   ("gzip, deflate, br, zstd", "zstd"), ("gzip, br", "br"), ("deflate", None),
                                   ("gzip;q=1.0, br;q=0.9, zstd;q=0", "gzip"), ("zstd;q=0.1, br;q=0.2", "br"),
                                   ("identity, gzip;q=0.5", None), ("*", "zstd"), ("*;q=0", None), ("", None),
                                   ("X-GZIP", "gzip"), ("gzip;q=0, *;q=0.1", "zstd")):
                got, head = (get_variant(http, name, accept, method) for method in ("GET", "HEAD"))
                assert (got.status, got.body) == (200, contents[name, coding]), (name, accept, got.status)
                assert got.headers.get("content-encoding") == coding, (accept, got.headers)
                assert got.headers["vary"].lower() == "accept-encoding", got.headers
                assert got.headers["content-type"].startswith("text/plain"), got.headers
                del got.headers["date"], head.headers["date"]
                assert head.headers == got.headers, (head.headers, got.headers)
                etags.add(got.headers["etag"])
            assert len(etags) == 4 and not any(etag.startswith("W/") for etag in etags), etags
            got = http.get(f"/{name}.txt")
            assert got.body == contents[name, None] and "content-encoding" not in got.headers
            assert got.headers["vary"].lower() == "accept-encoding", got.headers


@for_both_modes
def parts_are_of_the_representation_that_is_chosen(case):
    port, contents = variants(case)
    with Http(port) as http:
        for name in ("page", "book"):
            etags = {coding: get_variant(http, name, coding or "identity", "HEAD").headers["etag"]
                     for coding in (None, "gzip", "br", "zstd")}
            for coding in ("gzip", "br", "zstd", None):
                content = contents[name, coding]
                size = len(content)
                own, other = etags[coding], etags["gzip" if coding is None else None]

                def ask(*fields, coding=coding, name=name):
                    return get_variant(http, name, coding or "identity", fields=fields)

                got = ask("Range: bytes=-500")
                assert (got.status, got.body) == (206, content[-500:]), (name, coding)
                assert got.headers["content-range"] == f"bytes {size - 500}-{size - 1}/{size}"
                assert got.headers.get("content-encoding") == coding and got.headers["etag"] == own
                assert got.headers["vary"].lower() == "accept-encoding", got.headers
                got = ask("Range: bytes=0-9,100-299")
                assert parts_of(got) == [(0, 9, size, content[:10]), (100, 299, size, content[100:300])]
                assert got.headers.get("content-encoding") == coding
                got = ask(f"Range: bytes={size}-")
                assert got.status == 416 and got.headers["content-range"] == f"bytes */{size}"
                # An entity tag is of one representation (RFC 9110 section 8.8.3.3).
                assert ask("Range: bytes=0-9", f"If-Range: {own}").status == 206
                got = ask("Range: bytes=0-9", f"If-Range: {other}")
                assert (got.status, got.body) == (200, content)
                got = ask(f"If-None-Match: {own}")
                assert got.status == 304 and got.headers["etag"] == own and "vary" in got.headers
                assert ask(f"If-None-Match: {other}").status == 200
                assert ask(f"If-Match: {own}").status == 200
                assert ask(f"If-Match: {other}").status == 412


@for_both_modes
def pages_of_their_own_for_412_and_416(case):
    case.write("html/error.txt", "not so\n")
    case.write("html/page.txt", "0123456789")
    text, port = case.service("http { root html; error-page 412 416 /error.txt; header X-A b always }",
                              extra="timeout { park 60s }")
    case.server(text)
    with Http(port) as http:
        for field, status in (("Range: bytes=10-", 416), ('If-Match: "x"', 412)):
            got = http.get("/page.txt", headers=[field])
            assert (got.status, got.body) == (status, b"not so\n"), got
            assert got.headers.get("content-range") == ("bytes */10" if status == 416 else None)
            assert got.headers["x-a"] == "b", got.headers
            for name in ("etag", "last-modified", "accept-ranges"):
                assert name not in got.headers, got.headers
        # The page of an error has no parts.
        got = http.get("/page.txt", headers=["Range: bytes=0-1", 'If-Match: "x"'])
        assert (got.status, got.body) == (412, b"not so\n"), got


@for_both_modes
def many_parts_on_one_connection(case):
    """As a player seeks: pipelined, and the connection stays."""
    port = site(case)
    wanted = [(at * 70_000, at * 70_000 + size) for at, size in enumerate((0, 10, 5000, 60_000, 200_000) * 4)]
    with Http(port) as http:
        http.send("".join(f"GET /film.txt HTTP/1.1\r\nHost: test\r\nRange: bytes={first}-{last}\r\n\r\n"
                          for first, last in wanted))
        for one in wanted:
            check_parts(http.read(), "film", [one])
        assert http.get("/small.txt").body == CONTENT["small"]


@for_both_modes
def an_old_client_gets_parts_too(case):
    port = site(case)
    for name in ("small", "large"):
        for value in ("0-9", "0-9,20-29"):
            with Http(port) as http:
                http.send(f"GET /{name}.txt HTTP/1.0\r\nRange: bytes={value}\r\n\r\n")
                got = http.read()
                assert got.status == 206 and got.headers["connection"] == "close", got
                assert http.at_end()
                check_parts(got, name, [tuple(map(int, one.split("-"))) for one in value.split(",")])


@for_both_modes
def a_client_that_reads_slowly_gets_the_same(case):
    port = site(case)
    value = "3000000-6000000,100-2999990"
    with Http(port) as http:
        http.send(f"GET /film.txt HTTP/1.1\r\nHost: test\r\nRange: bytes={value}\r\n\r\n")
        # The others are served meanwhile.
        with Http(port) as other:
            check_parts(other.get("/small.txt", headers=["Range: bytes=0-9"]), "small", [(0, 9)])
        check_parts(http.read(), "film", [(3000000, 6000000), (100, 2999990)])


@for_both_modes
def a_file_cut_short_while_a_part_is_sent_ends_the_connection(case):
    port = site(case)
    # More than the kernel holds between us, most of it a hole
    sparse, size = case.folder / "html/sparse.txt", 256 * 1024 * 1024
    sparse.write_bytes(b"x" * 100_000)
    os.truncate(sparse, size)
    with connect(port) as sock:
        sock.sendall(b"GET /sparse.txt HTTP/1.1\r\nHost: test\r\nRange: bytes=100-\r\n\r\n")
        got = sock.recv(1000)
        assert got.startswith(b"HTTP/1.1 206 ")
        os.truncate(sparse, 500_000)
        total = len(got)
        try:
            while piece := sock.recv(65536):
                total += len(piece)
        except ConnectionResetError:
            pass
        assert total < size - 100, "as many bytes came as were announced"


if __name__ == "__main__":
    main()
