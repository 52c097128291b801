import gzip
import zipfile
from pathlib import Path

import pytest

from aljupyter.datasets import files
from aljupyter.datasets.files import read_file
from aljupyter.errors import DownloadFailed, WrongChecksum
from tests.servers import (
    CHECKSUM,
    CONTENT,
    HALF,
    OTHER,
    PATH,
    encrypted,
    never_answers,
    never_ends,
    put,
    redirects,
    sends,
    sends_chunks_and_hangs_up,
    sends_half_then,
    sends_noise,
    sends_without_length,
    status,
    toy,
    tree,
    zipped,
)

pytestmark = pytest.mark.usefixtures("cut_off")

PACKED = zipped({"toy.dat": CONTENT})
BAD_ARCHIVES = {
    "no archive": CONTENT,
    "empty": zipped({}),
    "another member": zipped({"other.dat": CONTENT}),
    "cut short": PACKED[:-100],
    "damaged": PACKED[:60] + bytes(8) + PACKED[68:],
    "encrypted": encrypted(PACKED),
    "of a compression that unpacks without bounds": zipped({"toy.dat": CONTENT}, zipfile.ZIP_BZIP2),
}
WITHOUT_A_FILE = {
    "missing": status(404),
    "broken": status(500),
    "shorter than it says": sends(CONTENT[:HALF], length=len(CONTENT)),
    "longer than the file": sends(CONTENT + b"\n"),
    "without a number as length": sends(CONTENT, length="many"),
    "without end": never_ends,
    "cut off between chunks": sends_chunks_and_hangs_up,
    "silent before the headers": never_answers,
    "silent after them": sends_half_then(None),
    "noise": sends_noise,
    "nothing": lambda handler: None,
    "not the gzip it says": sends(CONTENT, Content_Encoding="gzip"),
    "redirected in a circle": redirects("/bad"),
    "redirected to no URL": redirects("http://[::1/"),
    "redirected to no host": redirects("http://a..b/"),
    "redirected out of HTTP": redirects("ftp://127.0.0.1/toy.dat"),
    **{f"an archive: {how}": sends(archive) for how, archive in BAD_ARCHIVES.items()},
}


@pytest.mark.parametrize("how", WITHOUT_A_FILE)
def test_a_source_that_sends_no_file_leaves_nothing_and_the_next_one_is_asked(server, tmp_path, monkeypatch, how):
    monkeypatch.setattr(files, "TIMEOUT", (0.3, 0.3))
    bad = server.at("/bad", WITHOUT_A_FILE[how]) + ("#toy.dat" if "archive" in how else "")
    with pytest.raises(DownloadFailed) as raised:
        read_file(toy(bad), tmp_path)
    assert not isinstance(raised.value, WrongChecksum)
    assert bad in str(raised.value) and len(str(raised.value)) < 1500
    assert tree(tmp_path) == {}
    assert read_file(toy(bad, server.at("/right", sends(CONTENT))), tmp_path) == CONTENT
    assert tree(tmp_path) == {PATH: CONTENT}


WRONG = {
    "another file": (sends(OTHER), OTHER, "has SHA-256 "),
    "a shorter file": (sends(CONTENT[:HALF]), CONTENT[:HALF], "cut short"),
    "shorter, without a length": (sends_without_length, CONTENT[:HALF], "cut short"),
    "a length that is too small": (sends(CONTENT, length=HALF), CONTENT[:HALF], "cut short"),
    "an empty file": (sends(b""), b"", "is empty"),
    "an archive of another file": (sends(zipped({"toy.dat": OTHER})), OTHER, "has SHA-256 "),
    "an archive of a huge file": (sends(zipped({"toy.dat": bytes(10**7)})), bytes(len(CONTENT) + 1), "too long"),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_download_is_kept_aside_and_never_read(server, tmp_path, how):
    answer, kept, words = WRONG[how]
    bad = server.at("/bad", answer) + ("#toy.dat" if "archive" in how else "")
    with pytest.raises(WrongChecksum, match=words) as raised:
        read_file(toy(bad), tmp_path)
    (name,) = tree(tmp_path)
    assert (tmp_path / name).read_bytes() == kept
    assert Path(name).name in str(raised.value) and not (tmp_path / PATH).exists()
    with pytest.warns(UserWarning, match=Path(name).name):
        assert read_file(toy(bad, server.at("/right", sends(CONTENT))), tmp_path) == CONTENT
    assert tree(tmp_path) == {PATH: CONTENT, name: kept}


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "/tmp", "ftp://127.0.0.1/", "http://", "http://[::1", "http://a..b", "http://127.0.0.1:99999"],
)
def test_a_mirror_that_is_no_url_is_named_and_passed_over(server, tmp_path, monkeypatch, closed, url):
    monkeypatch.setenv("ALJUPYTER_MIRROR", url)
    with pytest.raises(DownloadFailed) as raised:
        read_file(toy(closed), tmp_path)
    assert not url or f"\n  {url.rstrip('/')}/{PATH}: " in str(raised.value)
    assert read_file(toy(server.at("/right", sends(CONTENT))), tmp_path) == CONTENT


RIGHT = {
    "redirected": redirects("/right"),
    "packed on its way": sends(gzip.compress(CONTENT), Content_Encoding="gzip"),
    "in an archive": sends(zipped({"toy.dat": CONTENT, "more.txt": b"more"})),
    "in an archive, beside paths that lead out of it": sends(
        zipped({"../../evil": b"evil", "/tmp/evil": b"evil", "..\\evil": b"evil", "toy.dat": CONTENT})
    ),
}


@pytest.mark.parametrize("how", RIGHT)
def test_a_file_that_comes_wrapped_is_unwrapped(server, tmp_path, how):
    server.at("/right", sends(CONTENT))
    url = server.at("/wrapped", RIGHT[how]) + ("#toy.dat" if "archive" in how else "")
    cache = tmp_path / "deep" / "down"
    assert read_file(toy(url), cache) == CONTENT
    assert tree(tmp_path) == {f"deep/down/{PATH}": CONTENT}


def test_being_offline_is_told_with_every_url_the_checksum_and_the_place(server, tmp_path, closed):
    sources = (closed, closed + ".zip#toy.dat", server.at("/none", status(404)))
    with pytest.raises(DownloadFailed, match="offline") as raised:
        read_file(toy(*sources), tmp_path)
    for part in (*sources, CHECKSUM, f"{len(CONTENT):,} bytes", str(tmp_path / PATH), "ALJUPYTER_DATA", "refused"):
        assert part in str(raised.value)
    assert put(tmp_path, CONTENT) and read_file(toy(*sources), tmp_path) == CONTENT
