import errno
import hashlib
import os
import subprocess
import sys
import threading
import time
import warnings
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import aljupyter as al
from aljupyter.datasets import files
from aljupyter.datasets.entries import entry_of
from aljupyter.datasets.files import File, read_file
from aljupyter.errors import CacheNotWritable, DownloadFailed, WrongChecksum
from tests.servers import (
    CHECKSUM,
    CONTENT,
    HALF,
    OTHER,
    PATH,
    never_ends,
    put,
    sends,
    sends_chunks_and_hangs_up,
    sends_half_then,
    sends_without_length,
    status,
    toy,
    tree,
    unpublished,
)

pytestmark = pytest.mark.usefixtures("cut_off")

# --- where a file is looked for -------------------------------------------------------------------------------------


def test_a_download_gives_the_bytes_and_the_cache_keeps_them(server, tmp_path):
    file = toy(server.at("/right", sends(CONTENT)))
    assert read_file(file, tmp_path) == CONTENT
    assert tree(tmp_path) == {PATH: CONTENT}
    assert read_file(file, tmp_path) == CONTENT
    assert server.asked == ["/right"]


def test_a_copy_is_looked_for_in_the_data_folder_the_cache_the_mirror_and_the_sources_in_turn(
    server, tmp_path, monkeypatch
):
    data, cache = tmp_path / "data", tmp_path / "cache"
    server.at(f"/mirror/{PATH}", sends(CONTENT))
    url = server.at("/mirror", None)
    file = toy(server.at("/first", status(500)), server.at("/second", sends(CONTENT)))
    monkeypatch.setenv("ALJUPYTER_DATA", str(put(data, CONTENT).parents[1]))
    monkeypatch.setenv("ALJUPYTER_MIRROR", url + "/")
    assert read_file(file, cache) == CONTENT
    assert server.asked == [] and not cache.exists()
    (data / PATH).unlink()
    read_file(file, cache)
    assert server.asked == [f"/mirror/{PATH}"]
    read_file(file, cache)
    assert server.asked == [f"/mirror/{PATH}"]
    (cache / PATH).unlink()
    monkeypatch.delenv("ALJUPYTER_MIRROR")
    assert read_file(file, cache) == CONTENT
    assert server.asked[1:] == ["/first", "/second"]


@pytest.mark.parametrize("content", [OTHER, CONTENT[:HALF], b"", None], ids=["other", "half", "empty", "none"])
def test_the_data_folder_is_only_read(server, tmp_path, monkeypatch, content):
    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    if content is not None:
        put(data, content)
    before = tree(data)
    monkeypatch.setenv("ALJUPYTER_DATA", str(data))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert read_file(toy(server.at("/right", sends(CONTENT))), cache) == CONTENT
    assert [str(data / PATH) in str(one.message) for one in told] == [True] * (content is not None)
    assert tree(data) == before
    assert tree(cache) == {PATH: CONTENT}


@pytest.mark.parametrize("spelling", ["~/data", "~/data/", "{home}/data//", "data"])
def test_the_data_folder_and_the_cache_may_be_spelt_in_any_way(tmp_path, monkeypatch, spelling):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "data", CONTENT)
    spelling = spelling.format(home=tmp_path)
    assert read_file(toy(), spelling) == CONTENT
    monkeypatch.setenv("ALJUPYTER_DATA", spelling)
    assert read_file(toy(), tmp_path / "none") == CONTENT


@pytest.mark.parametrize("folder", ["/there/is/none", "~nobody-of-that-name/data", __file__])
def test_an_error_says_where_the_data_folder_lacks_the_file(tmp_path, monkeypatch, closed, folder):
    monkeypatch.setenv("ALJUPYTER_DATA", folder)
    with pytest.raises(DownloadFailed) as raised:
        read_file(toy(closed), tmp_path)
    assert not isinstance(raised.value, WrongChecksum)
    assert f"{folder}/{PATH} (in the folder that ALJUPYTER_DATA names): N" in str(raised.value)  # No such, or Not a


def test_a_folder_where_the_file_should_be_is_passed_over(server, tmp_path, monkeypatch):
    (tmp_path / "data" / PATH).mkdir(parents=True)
    monkeypatch.setenv("ALJUPYTER_DATA", str(tmp_path / "data"))
    file = toy(server.at("/right", sends(CONTENT)))
    assert read_file(file, tmp_path / "cache") == CONTENT
    (tmp_path / "other" / PATH).mkdir(parents=True)
    with pytest.raises(CacheNotWritable, match="directory"):
        read_file(file, tmp_path / "other")
    assert len(server.asked) == 1


def test_the_cache_is_that_of_the_user_where_none_is_given(server, tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_path", lambda app: tmp_path / app)
    read_file(toy(server.at("/right", sends(CONTENT))))
    assert tree(tmp_path) == {f"aljupyter/datasets/{PATH}": CONTENT}


# --- the cache ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [OTHER, CONTENT[:HALF], b""], ids=["other", "half", "empty"])
def test_a_wrong_file_in_the_cache_is_kept_aside_and_replaced(server, tmp_path, closed, content):
    put(tmp_path, content)
    with pytest.warns(UserWarning, match="kept as"):
        assert read_file(toy(server.at("/right", sends(CONTENT))), tmp_path) == CONTENT
    (aside,) = set(tree(tmp_path)) - {PATH}
    assert (tmp_path / aside).read_bytes() == content
    assert read_file(toy(closed), tmp_path) == CONTENT
    put(tmp_path, content)
    with pytest.raises(WrongChecksum, match=Path(aside).name):
        read_file(toy(closed), tmp_path)
    assert tree(tmp_path) == {aside: content}


def test_a_wrong_file_that_another_process_puts_aside_first_is_no_error(server, tmp_path, monkeypatch):
    put(tmp_path, OTHER)
    replace = Path.replace

    def second(path, target):
        replace(path, target)
        replace(path, target)

    monkeypatch.setattr(Path, "replace", second)
    with pytest.warns(UserWarning, match="kept as"):
        assert read_file(toy(server.at("/right", sends(CONTENT))), tmp_path) == CONTENT


def test_the_name_of_the_file_is_only_ever_that_of_a_whole_one(server, tmp_path, monkeypatch):
    steps, replace, fsync = [], os.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("on disk"), fsync(handle)))

    def watched(part, place):
        steps.append((Path(part).read_bytes() == CONTENT, Path(part).parent == Path(place).parent))
        replace(part, place)

    monkeypatch.setattr(os, "replace", watched)
    halfway = sends_half_then(lambda: steps.append(tree(tmp_path)), seconds=0)
    read_file(toy(server.at("/right", halfway)), tmp_path)
    assert steps == [{}, "on disk", (True, True)]


def test_an_interrupted_download_leaves_the_cache_as_it_was(server, tmp_path, monkeypatch):
    put(tmp_path, b"else", "toy/else.dat")
    file = toy(server.at("/right", sends(CONTENT)))

    def interrupt(*_):
        raise KeyboardInterrupt  # itself: a signal may be handled a moment later, when there is nothing to interrupt

    for place in ("tqdm.auto.tqdm.update", "os.fsync"):
        with monkeypatch.context() as patched:
            patched.setattr(place, interrupt)
            with pytest.raises(KeyboardInterrupt):
                read_file(file, tmp_path)
        assert tree(tmp_path) == {"toy/else.dat": b"else"}
    assert read_file(file, tmp_path) == CONTENT


SCRIPT = """
import os, sys, time
from aljupyter.datasets import files
from aljupyter.datasets.entries import entry_of
from aljupyter.datasets.files import File, read_file
url, cache, n, checksum, pause = sys.argv[1:]
if pause:
    os.replace = lambda *_: (print("writing", flush=True), time.sleep(60))
content = read_file(File("toy/toy.dat", int(n), checksum, (url,)), cache)
print(len(content), flush=True)
"""


def process(url, cache, pause=""):
    command = [sys.executable, "-c", SCRIPT, url, str(cache), str(len(CONTENT)), CHECKSUM, pause]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_that_are_killed_leave_nothing_that_passes(server, tmp_path):
    halfway = threading.Event()
    downloads = process(server.at("/half", sends_half_then(halfway.set, seconds=60)), tmp_path / "a")
    writes = process(server.at("/right", sends(CONTENT)), tmp_path / "b", pause="yes")
    with downloads, writes:
        assert halfway.wait(60) and writes.stdout.readline() == "writing\n"
        downloads.kill()
        writes.kill()
    assert tree(tmp_path / "a") == {}
    (left,) = tree(tmp_path / "b")
    assert left.endswith(".part")
    for cache in (tmp_path / "a", tmp_path / "b"):
        assert read_file(toy(server.at("/right", sends(CONTENT))), cache) == CONTENT
    os.utime(tmp_path / "b" / left, (0, 0))
    read_file(toy(), tmp_path / "b")
    assert tree(tmp_path / "b") == {PATH: CONTENT}


def test_two_processes_at_once_both_get_the_file(server, tmp_path):
    put(tmp_path, OTHER)
    both = threading.Barrier(2)
    url = server.at("/right", sends_half_then(lambda: both.wait(60), seconds=0))
    with process(url, tmp_path) as first, process(url, tmp_path) as second:
        for each in (first, second):
            out, told = each.communicate(timeout=60)
            assert out == f"{len(CONTENT)}\n", told
    assert server.asked == ["/right"] * 2
    assert sorted(tree(tmp_path).values()) == sorted([CONTENT, OTHER])


def test_only_leftovers_of_more_than_an_hour_are_taken_away(server, tmp_path):
    for name, age in (("old", 4000), ("young", 60)):
        os.utime(put(tmp_path, b"part", f"toy/.toy.dat.{name}.part"), (time.time() - age,) * 2)
    read_file(toy(server.at("/right", sends(CONTENT))), tmp_path)
    assert set(tree(tmp_path)) == {PATH, "toy/.toy.dat.young.part"}


@pytest.mark.parametrize("cache", [__file__, f"{__file__}/below", "/proc/none", "/dev/null"])
def test_a_cache_that_cannot_be_written_to_is_told_before_the_download(server, cache):
    with pytest.raises(CacheNotWritable, match="Give another one") as raised:
        read_file(toy(server.at("/right", sends(CONTENT))), cache)
    assert str(Path(cache) / "toy") in str(raised.value) and isinstance(raised.value, PermissionError)
    assert server.asked == []


def test_a_full_disk_is_told_and_leaves_nothing(server, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CacheNotWritable, match=os.strerror(errno.ENOSPC)):
        read_file(toy(server.at("/right", sends(CONTENT))), tmp_path)
    assert tree(tmp_path) == {}


# --- files without a published checksum -----------------------------------------------------------------------------


def test_without_a_published_checksum_the_first_copy_is_remembered_and_another_refused(server, tmp_path, closed):
    url = server.at("/file", sends(CONTENT))
    with pytest.warns(UserWarning, match=f"No checksum is published.*{CHECKSUM}"):
        assert read_file(unpublished(url), tmp_path) == CONTENT
    assert tree(tmp_path) == {PATH: CONTENT, PATH + ".sha256": f"{CHECKSUM}\n".encode()}
    assert read_file(unpublished(closed), tmp_path) == CONTENT
    (tmp_path / PATH).unlink()
    server.at("/file", sends(OTHER))
    with pytest.raises(WrongChecksum, match="first copy.*toy.dat.sha256.*kept as"):
        read_file(unpublished(url), tmp_path)
    assert not (tmp_path / PATH).exists()
    put(tmp_path, OTHER)
    with pytest.raises(WrongChecksum, match="first copy.*toy.dat.sha256.*kept as"):
        read_file(unpublished(closed), tmp_path)
    server.at("/file", sends(CONTENT))
    assert read_file(unpublished(url), tmp_path) == CONTENT


def test_without_a_published_checksum_a_copy_put_there_by_hand_is_remembered(tmp_path, monkeypatch):
    put(tmp_path, CONTENT)
    put(tmp_path, b"\xff no checksum", PATH + ".sha256")
    with pytest.warns(UserWarning, match=CHECKSUM):
        assert read_file(unpublished(), tmp_path) == CONTENT
    assert read_file(unpublished(), tmp_path) == CONTENT
    monkeypatch.setenv("ALJUPYTER_DATA", str(tmp_path))
    before = tree(tmp_path)
    with pytest.warns(UserWarning, match="read as it is"):
        assert read_file(unpublished(), tmp_path / "none") == CONTENT
    assert tree(tmp_path) == before


@pytest.mark.parametrize("answer", [sends_without_length, sends_chunks_and_hangs_up, sends(b""), never_ends])
def test_without_a_published_checksum_no_broken_download_passes(server, tmp_path, answer):
    with pytest.raises(DownloadFailed):
        read_file(unpublished(server.at("/file", answer)), tmp_path)
    assert not (tmp_path / PATH).exists()


def test_without_a_published_size_a_download_has_a_limit(server, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_LARGEST_UNKNOWN", HALF)
    with pytest.raises(DownloadFailed, match=f"more than the {HALF:,} bytes"):
        read_file(unpublished(server.at("/file", sends(CONTENT))), tmp_path)
    assert tree(tmp_path) == {}


def test_without_a_published_checksum_redirects_are_followed(server, tmp_path):
    server.at("/right", sends(CONTENT))
    with pytest.warns(UserWarning, match=CHECKSUM):
        assert read_file(unpublished(server.at("/old", lambda h: h.start(302, Location="/right"))), tmp_path) == CONTENT


# --- files that come with scikit-learn ------------------------------------------------------------------------------


def test_a_file_of_scikit_learn_is_read_only_if_it_is_the_published_one(tmp_path):
    content = resources.files("sklearn.datasets.data").joinpath("breast_cancer.csv").read_bytes()
    right = File("sklearn:breast_cancer.csv", len(content), hashlib.sha256(content).hexdigest(), ())
    assert read_file(right, tmp_path) == content
    with pytest.raises(WrongChecksum, match="scikit-learn has SHA-256"):
        read_file(File("sklearn:breast_cancer.csv", len(content), CHECKSUM, ()), tmp_path)
    with pytest.raises(WrongChecksum, match="scikit-learn is missing"):
        read_file(File("sklearn:none.csv", 1, CHECKSUM, ()), tmp_path)


# --- what is shown --------------------------------------------------------------------------------------------------


def test_a_fast_download_shows_nothing(server, tmp_path, capfd):
    read_file(toy(server.at("/right", sends(CONTENT))), tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_long_download_shows_a_progress_bar(server, tmp_path, capfd):
    read_file(toy(server.at("/slow", sends_half_then(None, seconds=1.05))), tmp_path)
    out, told = capfd.readouterr()
    assert out == "" and "toy.dat: " in told and "%|" in told


# --- through load ---------------------------------------------------------------------------------------------------


def test_load_takes_files_from_a_mirror(server, tmp_path, data_folder, monkeypatch):
    server.at("/all/glass/glass.data", sends((data_folder / "glass/glass.data").read_bytes()))
    monkeypatch.setenv("ALJUPYTER_MIRROR", server.at("/all", None))
    data = al.datasets.load("glass", cache=tmp_path)
    table = np.genfromtxt(data_folder / "glass/glass.data", delimiter=",")
    np.testing.assert_array_equal(data.x.numpy(), table[:, 1:-1])
    assert set(tree(tmp_path)) == {"glass/glass.data"}


def test_a_dataset_that_cannot_be_had_is_an_error_that_names_every_source(tmp_path):
    with pytest.raises(DownloadFailed) as raised:
        al.datasets.load("glass", cache=tmp_path)
    for source in entry_of("glass").files[0].sources:
        assert source in str(raised.value)


def test_a_checkerboard_is_drawn_anew_offline_but_never_in_place_of_a_damaged_file(tmp_path):
    with pytest.warns(UserWarning, match="drawn anew by the same rule"):
        data = al.datasets.load("checkerboard2x2", cache=tmp_path)
    left, below = (data.x.numpy() < 0.5).T
    np.testing.assert_array_equal(data.y.numpy(), left == below)
    put(tmp_path, b"damaged", "checkerboard/checkerboard2x2_train.npz")
    with pytest.raises(WrongChecksum, match="checkerboard2x2_train.npz.*kept as"):
        al.datasets.load("checkerboard2x2", cache=tmp_path)
