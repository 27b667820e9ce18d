"""Fetching, from a small hub of our own on this machine: the real client, without the network."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from weights.files import write_pi3x

from chromm_ros.__main__ import main
from chromm_ros.errors import ConfigError, DependencyError, FileError
from chromm_ros.weights import fetch as fetching
from chromm_ros.weights.catalogue import PUBLISHED, published
from chromm_ros.weights.fetch import fetch

hub = pytest.importorskip("huggingface_hub")


class Hub(BaseHTTPRequestHandler):
    """Serves one file as the hub does: its hash as ETag, and any part of it on request."""

    content = b""
    breaks_at = -1
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self._head(200, len(self.content))

    def do_GET(self) -> None:
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.asked.append(f"GET {self.path} {begin}")
        self._head(206 if begin else 200, len(self.content) - begin)
        part = self.content[begin:]
        self.wfile.write(part if begin or self.breaks_at < 0 else part[: self.breaks_at])
        self.close_connection = True

    def _head(self, status: int, length: int) -> None:
        self.send_response(status if "yyfz233/Pi3X/resolve/main/model.safetensors" in self.path else 404)
        for name, value in {
            "ETag": f'"{hashlib.sha256(self.content).hexdigest()}"',
            "X-Repo-Commit": "0" * 40,
            "Content-Length": str(length),
            "Accept-Ranges": "bytes",
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Hub.content = write_pi3x(tmp_path / "model.safetensors").read_bytes()
    Hub.asked, Hub.breaks_at = [], -1
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 4096)  # else so small a file is one piece
    monkeypatch.setattr("time.sleep", lambda _: None)  # the client waits between tries
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_is_fetched_once_and_imported(endpoint: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(fetching, "fetch", lambda publication, here=fetch: here(publication, endpoint))
    assert main(["weights", "fetch", "Pi3X"]) == 0
    assert "CC BY-NC 4.0" in capsys.readouterr().out
    assert (folder / "pi3x.safetensors").exists()
    assert fetch(published("pi3x"), endpoint).read_bytes() == Hub.content
    assert len(Hub.asked) == 1, "the second time it was there"


def test_what_broke_off_goes_on_where_it_stopped(endpoint: str) -> None:
    Hub.breaks_at = 10_000
    assert fetch(published("pi3x"), endpoint).read_bytes() == Hub.content
    begins = [int(line.rpartition(" ")[2]) for line in Hub.asked]
    assert begins[0] == 0 and begins[-1] > 0


def test_without_the_network_there_is_one_sentence(endpoint: str) -> None:
    with pytest.raises(
        FileError, match=r"pi3x could not be fetched .*download https://huggingface.co/yyfz233/Pi3X/resolve/main/model"
    ):
        fetch(published("pi3x"), "http://127.0.0.1:9")


def test_what_the_client_raises_while_bytes_flow_is_one_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    error = hub.errors.HTTPError("peer closed connection\nmore")  # the HTTP client's own, which is no OSError

    def break_off(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(hub, "hf_hub_download", break_off)
    with pytest.raises(FileError, match=r"pi3x could not be fetched \(peer closed connection\): try again"):
        fetch(published("pi3x"))


def test_without_the_package_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises((DependencyError, ModuleNotFoundError), match="huggingface_hub"):
        fetch(published("pi3x"))


def test_files_whose_licence_has_to_be_agreed_to_are_named_not_fetched() -> None:
    for publication in PUBLISHED:
        if publication.kind == "human":
            with pytest.raises(
                FileError, match=r"has to be agreed to first; then download https://download.europe.naverlabs.com/.*import mul"
            ):
                fetch(publication)
    with pytest.raises(ConfigError, match="nothing is published as 'pi4', there are pi3x, multiHMR_896_L"):
        published("pi4")
