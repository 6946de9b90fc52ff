#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A site in a headless Chromium: a page with a style sheet, a script and a picture, a video in which the viewer
jumps ahead, so that the browser asks for ranges, and a listing. With `--keep` the pictures of the screen stay.
"""

import base64
import json
import struct
import urllib.request
import zlib

from browser import Chromium
from harness import deadline, for_both_modes, main

STYLE = "body { background-color: rgb(250, 240, 210); font-family: sans-serif } h1 { color: rgb(160, 30, 30) }\n"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>loading</title>
<link rel="stylesheet" href="style.css"><link rel="icon" href="picture.png"><script src="script.js" defer></script></head>
<body><h1>A page of musterd</h1>
<p><img src="picture.png" alt="a gradient" width="256" height="128">
<video src="video.webm" width="480" height="288" controls preload="metadata"></video></p>
</body></html>
"""
SCRIPT = "document.title = 'scripted';\n"

# One frame of 160 x 96 in VP8 each: red, green, blue.
FRAMES = [base64.b64decode(text) for text in (
    "kAYAnQEqoABgAD7RaLBTKCYkoqCIAQAaCWlu4XSg1AAd0XiCo57Y0tclUq2+bYi9F7LzJFFDYgqOe2ItgAD+/fxf+WZwr2X//xDn9bf9ym+HD0L1xRj/"
    "iMwT51a2LVA+zuGx8E1EWh1JCAAA",
    "kAYAnQEqoABgAD7RaLBTKCYkoqCIAQAaCWlu4XSg/sAd0XiCo57Y0shdH5YI2IbpR2xF4gqOe2nMQVHKAAD++/O/6qp6/G7/9zfZH6KvkDeCeF+GoUhB"
    "wkxEF7ClxAAA",
    "sAYAnQEqoABgAD7RaLBTKCYkoqCIAQAaCWlu4XShAlwAAE9tiLxBUdAmALCVZzkErHKs5yCNiCo57Yi8QCAA/v4Pj//uDM+rqmf9d4tJWYEzADD1saU0"
    "R6dd4xAAAA==")]
SECONDS, FILLING = 60, 200_000


def png(width, height):
    """A gradient."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(value for x in range(width) for value in (x * 255 // width, y * 255 // height, 128))
                    for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def element(name, *contents):
    """Of EBML: the name with its marker bits, in hexadecimal; a length of eight bytes; numbers in eight bytes."""
    data = b"".join(struct.pack(">Q", part) if isinstance(part, int) else part for part in contents)
    return bytes.fromhex(name) + struct.pack(">Q", 1 << 56 | len(data)) + data


def webm():
    """A minute of video, a frame each second: a third red, a third green, a third blue. Much of it is filling, so
    that a browser who jumps ahead has reason not to read up to there."""
    head = element("1A45DFA3", element("4282", b"webm"), element("4287", 2), element("4285", 2))
    info = element("1549A966", element("2AD7B1", 1_000_000), element("4489", struct.pack(">d", SECONDS * 1000.0)),
                   element("4D80", b"test"), element("5741", b"test"))
    track = element("1654AE6B", element("AE", element("D7", 1), element("73C5", 1), element("83", 1),
                                        element("86", b"V_VP8"), element("E0", element("B0", 160), element("BA", 96))))
    clusters = [element("1F43B675", element("E7", n * 1000),
                        element("A3", b"\x81\0\0\x80" + FRAMES[n * len(FRAMES) // SECONDS]),
                        element("EC", bytes(FILLING))) for n in range(SECONDS)]

    def cues(position):
        points = []
        for n, cluster in enumerate(clusters):
            points.append(element("BB", element("B3", n * 1000), element("B7", element("F7", 1), element("F1", position))))
            position += len(cluster)
        return element("1C53BB6B", *points)
    index = cues(len(info) + len(track) + len(cues(0)))
    return head + element("18538067", info, track, index, *clusters)


# "seeked" says that the picture is there, not that it is shown: until then the canvas gets the one before.
SEEK = """new Promise((resolve, reject) => {
    const video = document.querySelector('video'), context = document.createElement('canvas').getContext('2d');
    const end = performance.now() + %d;
    const look = () => {
        context.drawImage(video, 0, 0, 10, 10);
        const colour = Array.from(context.getImageData(5, 5, 1, 1).data).slice(0, 3);
        const brightest = colour.indexOf(Math.max(...colour));
        if (brightest == %d || performance.now() > end)
            resolve({duration: video.duration, time: video.currentTime, brightest: brightest, colour: colour});
        else
            requestAnimationFrame(look);
    };
    const seek = () => {
        video.onseeked = look;
        video.currentTime = %d;
    };
    video.onerror = () => reject(video.error.message);
    if (video.error)
        reject(video.error.message);
    else if (video.readyState > 0)
        seek();
    else
        video.onloadedmetadata = seek;
})"""


def site(case, handler="root html; index index.html"):
    case.write("html/index.html", PAGE)
    case.write("html/style.css", STYLE)
    case.write("html/script.js", SCRIPT)
    case.write("html/picture.png", png(256, 128))
    case.write("html/video.webm", webm())
    # A browser has six connections to a site.
    text, port = case.service(f"http {{ {handler} }}", workers=8, extra="timeout { park 60s }")
    case.server(text)
    return f"http://127.0.0.1:{port}"


@for_both_modes
def a_page_with_all_that_belongs_to_it(case):
    browser, url = Chromium(case), site(case)
    browser.open(f"{url}/")
    assert browser.value("document.title") == "scripted"
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(250, 240, 210)"
    assert browser.value("document.querySelector('img').naturalWidth") == 256
    for path in ("/", "/style.css", "/script.js", "/picture.png"):
        assert [status for status, _ in browser.responses(path)][:1] == [200], path
    assert not browser.complaints(), browser.complaints()
    # Again, with what the browser has kept.
    browser.reload()
    assert browser.value("document.title") == "scripted"


@for_both_modes
def a_jump_in_a_video(case):
    browser, url = Chromium(case), site(case)
    browser.open(f"{url}/")
    for second, colour in ((50, 2), (30, 1), (5, 0), (58, 2)):
        got = browser.value(SEEK % (deadline() * 1000, colour, second))
        assert (got["duration"], got["time"], got["brightest"]) == (SECONDS, second, colour), got
    parts = browser.responses("/video.webm")
    begins = {int(fields["content-range"].split()[1].split("-")[0]) for status, fields in parts if status == 206}
    assert {status for status, _ in parts} == {206}, parts
    assert any(begin > 40 * FILLING for begin in begins), parts
    assert all(fields["content-range"].endswith(f"/{len(webm())}") for _, fields in parts), parts
    browser.screenshot(case.folder / "video.png")


@for_both_modes
def a_list_of_files(case):
    browser, url = Chromium(case), site(case, "root html; location /files/ { listing yes }")
    sizes = {"a small one.txt": 10, "größer.txt": 2000, "<i>large & \"more\".bin": 300_000, "100%.txt": 1}
    for name, size in sizes.items():
        case.write(f"html/files/{name}", bytes(size))
    case.write("html/files/folder/below.txt", "below")
    browser.open(f"{url}/files/")
    names = "Array.from(document.querySelectorAll('tbody a')).map(a => a.textContent)"
    assert browser.value("document.characterSet") == "UTF-8"
    assert set(browser.value(names)) == {"..", "folder/", *sizes}, browser.value(names)
    assert browser.value("document.querySelector('h1').textContent") == "/files/"
    browser.screenshot(case.folder / "listing.png")
    # As a visitor does: by size, then the same the other way round, then into the folder, and to a file.
    for _ in range(2):
        sort = browser.value("Array.from(document.querySelectorAll('thead a')).find(a => a.textContent.includes('Size')).href")
        browser.open(sort)
        order = [name for name in browser.value(names) if name in sizes]
        assert order in (sorted(sizes, key=sizes.get), sorted(sizes, key=sizes.get, reverse=True)), order
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for name in sizes:
        link = browser.value("Array.from(document.querySelectorAll('tbody a')).find(a => a.textContent == "
                             f"{json.dumps(name)}).href")
        with opener.open(link, timeout=deadline()) as got:
            assert len(got.read()) == sizes[name], link
    browser.open(browser.value("Array.from(document.querySelectorAll('tbody a')).find(a => a.textContent == 'folder/').href"))
    assert "below.txt" in browser.value(names)
    assert [entry for entry in browser.complaints() if "favicon" not in json.dumps(entry)] == []


if __name__ == "__main__":
    main()
