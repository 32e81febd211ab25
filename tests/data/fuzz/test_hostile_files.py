"""Files of one kind, hostile in one way, in the place of every such file of every seed: JSON, XML, pictures, any."""

import os
import shutil
from pathlib import Path

import pytest

from tests.data.av2_samples import jpeg
from tests.data.fuzz.attack import jpeg_header, png_header
from tests.data.fuzz.case import LONG
from tests.data.fuzz.corpus import SEEDS

DEPTH = 100_000
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
JSON = {
    "deep lists": "[" * DEPTH + "]" * DEPTH,
    "deep objects": '{"a":' * DEPTH + "1" + "}" * DEPTH,
    "no end": "[" * DEPTH,
    "a list": "[]",
    "an object": "{}",
    "a huge number": "9" * 100_000,
    "a list of null": "[null]",
    "no text": "\x00\x00",
}
XML = {
    "billion laughs": f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l11;</x>',
    "an external entity": '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file://{outside}">]><x>&e;</x>',
    "an external DTD": '<?xml version="1.0"?><!DOCTYPE x SYSTEM "{outside}"><x/>',
    "deep elements": "<a>" * DEPTH + "</a>" * DEPTH,
    "a million attributes": "<a " + " ".join(f'b{n}="1"' for n in range(200_000)) + "/>",
    "no end": "<a>" * 1000,
    "another root": "<a/>",
    "no text": "\x00",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return every seed that is a folder, built once; and single files."""
    folder = tmp_path_factory.mktemp("seeds")
    made = {}
    for seed in SEEDS:
        (folder / seed.name).mkdir()
        made[seed.name] = (seed, seed.build(folder / seed.name))
    return made


def files_of(built, *suffixes, alike=1, turn=0, turns=4):
    """Yield (seed, root, file of it) for the files with these suffixes, of those in one folder the first `alike`.

    Of each seed one file in `turns`, beginning at number `turn`, and one at least; all of them in a long run.
    """
    for seed, root in built.values():
        seen, files = {}, []
        for file in [root] if root.is_file() else sorted(root.rglob("*")):
            if file.is_file() and (not suffixes or file.suffix in suffixes or file.name in suffixes):
                place = (file.parent, file.suffix)
                seen[place] = seen.get(place, 0) + 1
                if seen[place] <= alike:
                    files.append(file)
        for file in files if LONG or not files else files[turn % min(turns, len(files)) :: turns]:
            yield seed, root, file


def replaced(attacked, seed, root, file, put):
    """Read a copy of a seed with one file replaced by what `put` makes of its path."""
    target = attacked.folder / "box" / root.name
    shutil.rmtree(attacked.folder / "box", ignore_errors=True)
    target.parent.mkdir()
    if root.is_dir():
        shutil.copytree(root, target)
    else:
        shutil.copyfile(root, target)
    place = target / file.relative_to(root) if root.is_dir() else target
    place.unlink()
    put(place)
    return attacked.read(target, seed.format, seed.kind)


@pytest.mark.slow
@pytest.mark.parametrize("what", JSON)
def test_json_of_another_shape_depth_or_size(attacked, built, what):
    kinds, turn = (".json", ".jsonl", ".zarray", ".zgroup", ".zattrs"), list(JSON).index(what)
    for seed, root, file in files_of(built, *kinds, alike=20, turn=turn, turns=len(JSON)):
        replaced(attacked, seed, root, file, lambda path: path.write_text(JSON[what]))


@pytest.mark.slow
@pytest.mark.parametrize("what", XML)
def test_xml_with_entities_depth_or_size(attacked, built, what):
    secret = attacked.outside / "secret"
    secret.write_text("secret")
    tried = 0
    for seed, root, file in files_of(built, ".xml"):
        text = XML[what].replace("{outside}", str(secret))
        verdict = replaced(attacked, seed, root, file, lambda path, text=text: path.write_text(text))
        assert verdict.refused
        tried += 1
    assert tried == 2


@pytest.mark.slow
def test_pictures_that_claim_to_be_huge(attacked, built):
    made = {".png": png_header(60_000, 60_000), ".jpg": jpeg_header(jpeg(100), 65_500, 65_500)}
    tried = set()
    for seed, root, file in files_of(built, *made):
        verdict = replaced(attacked, seed, root, file, lambda path: path.write_bytes(made[path.suffix]))
        assert verdict.grown_mib < 400
        tried.add(seed.format)
    assert tried >= {"nuscenes", "kitti", "video", "argoverse2-sensor"}


@pytest.mark.slow
def test_sparse_files_of_a_terabyte(attacked, built):
    def grow(path):
        path.write_bytes(head)
        os.truncate(path, 2**40)

    for seed, root, file in files_of(built):
        head = file.read_bytes()
        replaced(attacked, seed, root, file, grow)


@pytest.mark.slow
def test_pipes_in_the_place_of_files(attacked, built):
    for seed, root, file in files_of(built, turn=1):
        if root.is_dir():
            replaced(attacked, seed, root, file, lambda path: os.mkfifo(path))


@pytest.mark.slow
def test_links_to_themselves(attacked, built):
    for seed, root, file in files_of(built, turn=2):
        if root.is_dir():
            replaced(attacked, seed, root, file, lambda path: path.symlink_to(Path(path.name)))
