"""TLS in front of a Postgres whose build has none, as a real server with `hostssl` alone does it."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
"""What a client sends first, on a new connection for a cancel request too."""
CHUNK_BYTES = 64 * 1024
REFUSAL = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for this host, no encryption\0\0"


@asynccontextmanager
async def tls_proxy(host: str, port: int, certificate: Path) -> AsyncIterator[int]:
    """The port on 127.0.0.1 where the Postgres at this host and port answers by TLS, and refuses everything else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        # A client that does not trust the certificate ends the handshake.
        with suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(context)
                await connect(reader, writer)
            else:
                writer.write(b"E" + (len(REFUSAL) + 4).to_bytes(4) + REFUSAL)
                await writer.drain()
        writer.close()

    async def connect(reader: StreamReader, writer: StreamWriter) -> None:
        from_postgres, to_postgres = await asyncio.open_connection(host, port)
        await asyncio.gather(copy(reader, to_postgres), copy(from_postgres, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Give everything on, until either side ends."""
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
