"""A web server for one folder of HTML files, on a free port of this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[int]:
    """Serve the folder's files while the block runs. Yields the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, path, _ = (await reader.readline()).decode().split()
        file = folder / Path(path).name
        await asyncio.sleep(0.02)  # like a remote site, which does not answer at once
        if file.is_file():
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + file.read_bytes())
        else:
            writer.write(b"HTTP/1.0 404 Not Found\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
