"""The events of crawl.pty: one is a coroutine, two run in worker processes."""

import asyncio
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

from site_server import serve  # beside this file, and importable from any current folder

from volnux import EventBase


class Page(HTMLParser):
    """The links and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "a":
            self.links.append(dict(attributes)["href"])

    def handle_data(self, data):
        self.text += data


async def fetch(port: int, name: str) -> tuple[int, str]:
    """The status and the text of a page."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{name} HTTP/1.0\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


class Crawl(EventBase):
    """Fetch every page that can be reached from index.html, several at the same time."""

    async def process(self, site, connections):
        free = asyncio.Semaphore(connections)
        pages = {}

        async def visit(name):
            async with free:
                status, html = await fetch(port, name)
            page = Page(html)
            pages[name].update(status=status, links=page.links, text=page.text)
            for link in page.links:
                if link not in pages:
                    pages[link] = {}
                    group.create_task(visit(link))

        async with (
            serve(Path(site or Path(__file__).with_name("site"))) as port,
            asyncio.TaskGroup() as group,
        ):
            pages["index.html"] = {}
            group.create_task(visit("index.html"))
        return True, dict(sorted(pages.items()))


class FindDeadLinks(EventBase):
    def process(self, previous_result):
        pages = previous_result
        return True, [
            f"{name} -> {link}"
            for name, page in pages.items()
            for link in page["links"]
            if pages[link]["status"] != 200
        ]


def words(page: dict) -> list[str]:
    return re.findall(r"[a-z]+", page["text"].lower())


class CountWords(EventBase):
    """The five most frequent words of five letters or more."""

    def process(self, previous_result):
        counts = Counter(
            word for page in previous_result.values() for word in words(page) if len(word) >= 5
        )
        return True, dict(sorted(counts.most_common(), key=lambda item: (-item[1], item[0]))[:5])


class FindDoubles(EventBase):
    """Pairs of pages that share more than half of their sequences of three words."""

    def process(self, previous_result):
        runs = {}
        for name, page in previous_result.items():
            text = words(page)
            runs[name] = set(zip(text, text[1:], text[2:], strict=False))
        return True, [
            [one, other]
            for one, other in combinations(runs, 2)
            if len(runs[one] & runs[other]) > len(runs[one] | runs[other]) / 2
        ]


class Summarise(EventBase):
    """Summarise the three results in `previous_result`, which have the order of the text."""

    def process(self, previous_result):
        dead, frequent, doubles = previous_result
        print("  dead links:    ", *dead)
        print("  frequent words:", ", ".join(f"{word} {n}" for word, n in frequent.items()))
        print("  double pages:  ", *(" = ".join(pair) for pair in doubles))
        return True, {"dead links": dead, "frequent words": frequent, "double pages": doubles}
