"""A proxy between one site and the coordinator that ends TLS on both sides and records the traffic.

This works because the test has all keys: to the site the proxy is the coordinator, to the coordinator it is the site.
"""

import asyncio
import contextlib
import ssl
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, PADDED = 0, 8


class RecordingProxy:
    """Use as a context manager. `sent` and `received` hold the bytes of each connection, from the site and to the site."""

    def __init__(self, coordinator_tls, site_tls, coordinator_port):
        self.sent, self.received, self.target = [], [], coordinator_port
        self.to_site = self.context(ssl.PROTOCOL_TLS_SERVER, coordinator_tls)
        self.to_coordinator = self.context(ssl.PROTOCOL_TLS_CLIENT, site_tls)
        self.loop, self.open, self.served = asyncio.new_event_loop(), set(), 0

    @staticmethod
    def context(protocol, tls):
        context = ssl.SSLContext(protocol)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tls["root"])
        context.load_cert_chain(tls["certificate"], tls["key"])
        context.set_alpn_protocols(["h2"])
        return context

    def __enter__(self):
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self.ask(asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=self.to_site))
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self.ask(self.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=10)
        self.loop.close()

    def ask(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=10)

    async def close(self):
        self.server.close()
        for writer in self.open:
            writer.transport.abort()
        while self.served:
            await asyncio.sleep(0.01)

    async def serve(self, site_reader, site_writer):
        sent, received = bytearray(), bytearray()
        self.sent.append(sent)
        self.received.append(received)
        self.open.add(site_writer)
        self.served += 1
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.target, ssl=self.to_coordinator)
            self.open.add(writer)
            await asyncio.gather(self.pump(site_reader, writer, sent), self.pump(reader, site_writer, received))
        except OSError:
            site_writer.close()
        finally:
            self.served -= 1

    @staticmethod
    async def pump(reader, writer, kept):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                kept += data
                writer.write(data)
                await writer.drain()
        writer.close()


def bodies(connection):
    """Returns the payload of the streams of one direction of an HTTP/2 connection: {stream: bytes}, without frames."""
    content, at, streams = bytes(connection), 0, {}
    if content.startswith(PREFACE):
        at = len(PREFACE)
    while at + 9 <= len(content):
        length, kind, flags = int.from_bytes(content[at:at + 3], "big"), content[at + 3], content[at + 4]
        stream, payload = int.from_bytes(content[at + 5:at + 9], "big"), content[at + 9:at + 9 + length]
        if kind == DATA:
            if flags & PADDED:
                payload = payload[1:len(payload) - payload[0]]
            streams[stream] = streams.get(stream, b"") + payload
        at += 9 + length
    return streams
