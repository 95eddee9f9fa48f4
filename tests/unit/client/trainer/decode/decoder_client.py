"""Speaks a decoder's protocol (docs/formats/decoder_protocol.md) from Python, with the standard library and numpy."""

import json
import os
import socket
import struct
import subprocess

import numpy


def send(sock, record, descriptors=()):
    body = json.dumps(record).encode()
    socket.send_fds(sock, [struct.pack("<I", len(body)) + body], list(descriptors))


def receive(sock):
    head, descriptors, _, _ = socket.recv_fds(sock, 4, 2)
    if not head:
        return None, []
    while len(head) < 4:
        head += sock.recv(4 - len(head))
    body, (size,) = b"", struct.unpack("<I", head)
    while len(body) < size:
        body += sock.recv(size - len(body))
    return json.loads(body), descriptors


class Died(Exception):
    """A worker ended while it decoded a file."""


class Refused(Exception):
    """The decoder refused a file, with the reason."""


class Decoder:
    def __init__(self, program):
        self.parent, theirs = socket.socketpair()
        self.process = subprocess.Popen([program, "--socket-fd", str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        self.worker = None

    def decode(self, path, labels=False):
        """Returns the record and the pixels, an array of its shape."""
        if self.worker is None:
            send(self.parent, {"type": "start"})
            started, descriptors = receive(self.parent)
            self.number, self.worker = started["worker"], socket.socket(fileno=descriptors[0])
        file = os.open(path, os.O_RDONLY)
        send(self.worker, {"type": "decode", "header_only": False, "labels": labels, "origin": False, "max_bytes": 1 << 30,
                           "cpu_seconds": 120}, [file])
        os.close(file)
        try:
            record, _ = receive(self.worker)
        except ConnectionError:
            record = None
        if record is None:
            send(self.parent, {"type": "end", "worker": self.number})
            self.worker = None
            raise Died(str(receive(self.parent)[0]))
        if record["type"] == "failed":
            raise Refused(record["message"])
        kind = numpy.dtype(record["element"])
        size = int(numpy.prod(record["shape"])) * kind.itemsize
        pixels = bytearray()
        while len(pixels) < size:
            part = self.worker.recv(min(1 << 20, size - len(pixels)))
            if not part:
                raise Died("within the pixels")
            pixels += part
        return record, numpy.frombuffer(bytes(pixels), kind).reshape(record["shape"])
