"""A small HTTP CONNECT proxy, like those between hospitals' servers and the internet."""

import contextlib
import socket
import threading


class ConnectProxy:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.targets = []

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        request = b""
        while b"\r\n\r\n" not in request and len(request) < 65536:
            part = connection.recv(4096)
            if not part:
                return
            request += part
        method, target, _ = request.split(b"\r\n", 1)[0].split(b" ")
        if method != b"CONNECT":
            connection.sendall(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            connection.close()
            return
        self.targets.append(target.decode())
        host, port = target.decode().rsplit(":", 1)
        upstream = socket.create_connection((host, int(port)))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self.pump, args=(connection, upstream), daemon=True).start()
        self.pump(upstream, connection)

    @staticmethod
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
