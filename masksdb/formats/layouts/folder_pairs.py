"""Masks and the images that they belong to, found by their names."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from masksdb.formats.reading import IMAGE_SUFFIXES, Fault, Tree, read_text

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "inputs", "input", "rgb")

MASK_FOLDERS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "gt", "ground_truth", "groundtruth",
    "segmentations", "segmentation", "seg",
)  # fmt: skip

INSTANCES = "instances"

MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")

WITHOUT_IMAGE = "without_image.txt"
"""A list of the masks that never had an image, a name a line."""

SPLIT = re.compile(r"(?i)(train|training|trainval|val|valid|validation|test|testing|dev|eval)\d*")

_WORDS = "masks?|seg|segmentations?|labels?|labelids|gt|groundtruth|annotations?|annot|L"

_MASK_NAMES = (
    re.compile(rf"(?P<core>.+?)(?P<gap>[_\-. ]+)(?P<word>{_WORDS}|(?i:{_WORDS[:-2]}))"),
    re.compile(rf"(?P<word>(?i:{_WORDS[:-2]}))(?P<gap>[_\-. ]+)(?P<core>.+)"),
)

_IMAGE_NAME = re.compile(r"(?i)((image|img|im|rgb|sat)[_\-. ]+)?(?P<core>.+?)([_\-. ]+(image|img|im|rgb|sat))?")

_FILES_CHECKED = 2000
"""Files of a folder that are checked to recognise it."""


class Part(NamedTuple):
    """Images and their masks.

    Attributes:
        prefix: what the ids of its frames begin with.
        split: the split that it is, if its folder says so.
        images: the folder of the images, None where there are masks alone.
        masks: the folder of the masks; that of the images where they lie beside each other.
    """

    prefix: str
    split: str | None
    images: Path | None
    masks: Path

    @property
    def is_beside(self) -> bool:
        """Whether masks lie beside their images."""
        return self.images == self.masks

    def describe(self, root: Path) -> str:
        """Its folders, in words."""
        if self.is_beside:
            return f"masks beside images in {self.masks.relative_to(root).as_posix()}/"
        names = [path.relative_to(root).as_posix() + "/" for path in (self.images, self.masks) if path is not None]
        return " and ".join(names)


class Pair(NamedTuple):
    """An image, its mask, or both.

    Attributes:
        name: the id of the frame.
        split: the split that it is in.
        image: the image.
        mask: its mask.
        mask_id: the id of such masks.
        instances: the mask of its instances.
    """

    name: str
    split: str | None
    image: Path | None
    mask: Path | None
    mask_id: str
    instances: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        """Its masks by mask id."""
        files = {self.mask_id: self.mask, INSTANCES: self.instances}
        return {mask_id: path for mask_id, path in files.items() if path is not None}


def find_parts(root: Path) -> list[Part]:
    """The images and masks of a folder: in it, or in its folders for splits."""
    if own := _part(root, "", None):
        return [own]
    folders = sorted(path for path in root.iterdir() if SPLIT.fullmatch(path.name) and path.is_dir())
    return [part for folder in folders if (part := _part(folder, f"{folder.name}/", folder.name))]


def _part(folder: Path, prefix: str, split: str | None) -> Part | None:
    folders = {path.name.casefold(): path for path in folder.iterdir() if path.is_dir()}
    images = next((folders[name] for name in IMAGE_FOLDERS if name in folders), None)
    masks = next((folders[name] for name in MASK_FOLDERS if name in folders and _holds_masks(folders[name])), None)
    if masks is not None:
        if images is None and next(_files(folder, IMAGE_SUFFIXES, is_deep=False), None):
            images = folder
        return Part(prefix, split, images, masks)
    names = [
        path.name for path, _ in zip(_files(folder, IMAGE_SUFFIXES, is_deep=False), range(_FILES_CHECKED), strict=False)
    ]
    return Part(prefix, split, folder, folder) if _are_beside(names) else None


def _holds_masks(folder: Path) -> bool:
    return next(_files(folder, MASK_SUFFIXES), None) is not None


def _files(folder: Path, suffixes: Sequence[str], *, is_deep: bool = True) -> Iterator[Path]:
    """The files of a folder with such suffixes, hidden ones left out."""
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if is_deep and not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(tuple(suffixes)):
                yield Path(path, name)


def _are_beside(names: Sequence[str]) -> bool:
    """Whether some files are masks of others, by their names."""
    files = [PurePosixPath(name) for name in names]
    masks, images = _split_beside(files)
    if any(core in images for core in masks):
        return True
    pairs = _same_stems(files)
    return len(pairs) * 3 > len(files)


def _same_stems(files: Iterable[PurePosixPath]) -> list[PurePosixPath]:
    """The PNGs among some files beside which lies a JPEG of the same name."""
    files = list(files)
    photos = {file.stem for file in files if file.suffix.lower() in (".jpg", ".jpeg")}
    return [file for file in files if file.suffix.lower() == ".png" and file.stem in photos]


def _split_beside(
    files: Iterable[PurePosixPath],
) -> tuple[dict[str, list[PurePosixPath]], dict[str, list[PurePosixPath]]]:
    """Masks and images by the part of their names that they share."""
    masks: dict[str, list[PurePosixPath]] = defaultdict(list)
    images: dict[str, list[PurePosixPath]] = defaultdict(list)
    for file in files:
        match = _mask_match(file)
        if match and file.suffix.lower() in MASK_SUFFIXES:
            masks[match["core"]].append(file)
            continue
        images[file.stem].append(file)
        bare = _IMAGE_NAME.fullmatch(file.stem)
        if bare and bare["core"] != file.stem:
            images[bare["core"]].append(file)
    return masks, images


def _mask_match(file: PurePosixPath) -> re.Match[str] | None:
    """The name of a mask in its parts: ``core``, what it shares with its image, and ``word``, which says mask."""
    return next((match for form in _MASK_NAMES if (match := form.fullmatch(file.stem))), None)


def pairs_of(tree: Tree, part: Part) -> list[Pair]:
    """The images of a part with their masks, in order of their names; masks and images that do not pair are refused."""
    pairs = _pairs_beside(tree, part) if part.is_beside else _pairs_apart(tree, part)
    return sorted(pairs, key=lambda pair: pair.name)


def _pairs_apart(tree: Tree, part: Part) -> Iterator[Pair]:
    masks = _by_stem(part.masks, MASK_SUFFIXES)
    images = _by_stem(part.images, IMAGE_SUFFIXES, is_deep=part.images != part.masks.parent) if part.images else {}
    instances = _by_stem(part.masks.parent / INSTANCES, MASK_SUFFIXES)
    rule = find_rule(list(images), list(masks)) if images else Rule()
    by_core: dict[str, list[str]] = defaultdict(list)
    for stem in images:
        by_core[rule.image_core(stem) or f"\0{stem}"].append(stem)
    alone = _without_image(part)
    used: set[str] = set()
    for stem, files in masks.items():
        near = by_core.get(rule.mask_core(stem) or stem, []) if images else []
        candidates = [path for near_stem in near for path in images[near_stem]]
        of_instances = instances.pop(stem, [])
        if len(files) > 1 or len(candidates) > 1 or len(of_instances) > 1:
            used.update(near)
            tree.refuse(_ambiguous(tree, files, candidates or of_instances))
        elif part.images is not None and not candidates and stem not in alone:
            reason = f"a mask without its image, of which there is none in {part.images.name}/"
            tree.refuse(Fault(reason, files[0]))
        else:
            used.update(near)
            name = part.prefix + (near[0] if near else stem)
            image = candidates[0] if candidates else None
            own = of_instances[0] if of_instances else None
            yield Pair(name, _split_of(part, name), image, files[0], part.masks.name, own)
    for stem, files in images.items():
        if stem not in used and len(files) > 1:
            tree.refuse(_ambiguous(tree, [], files))
        elif stem not in used:
            name = part.prefix + stem
            tree.note(files[0], f"no mask in {part.masks.name}/; its frame has none")
            yield Pair(name, _split_of(part, name), files[0], None, part.masks.name)
    for files in instances.values():
        tree.refuse(Fault(f"instances without a mask, of which there is none in {part.masks.name}/", files[0]))


def _without_image(part: Part) -> frozenset[str]:
    try:
        return frozenset(read_text(part.masks.parent / WITHOUT_IMAGE).splitlines())
    except (OSError, UnicodeDecodeError):
        return frozenset()


def _split_of(part: Part, name: str) -> str | None:
    first = name.partition("/")[0]
    return part.split or (first if "/" in name and SPLIT.fullmatch(first) else None)


def _ambiguous(tree: Tree, masks: Sequence[Path], images: Sequence[Path]) -> Fault:
    names = ", ".join(str(path.relative_to(tree.root)) for path in (*masks, *images))
    return Fault(f"pairs ambiguously: {names}; leave one mask and one image of that name", (*masks, *images)[0])


def _by_stem(folder: Path, suffixes: Sequence[str], *, is_deep: bool = True) -> dict[str, list[Path]]:
    """The files of a folder by their path in it without suffix."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in _files(folder, suffixes, is_deep=is_deep):
        by_stem[path.relative_to(folder).with_suffix("").as_posix()].append(path)
    return dict(by_stem)


def _pairs_beside(tree: Tree, part: Part) -> Iterator[Pair]:
    files = [PurePosixPath(path.name) for path in _files(part.masks, IMAGE_SUFFIXES, is_deep=False)]
    same = set(_same_stems(files))
    masks, images = _split_beside(file for file in files if file not in same)
    for file in same:
        masks[file.stem].append(file)
    used: set[PurePosixPath] = set()
    for core, own in masks.items():
        near = images.get(core, [])
        used.update(near)
        paths = [part.masks / file.name for file in own]
        if len(own) + len(near) > 2:
            tree.refuse(_ambiguous(tree, paths, [part.masks / file.name for file in near]))
        elif not near:
            for path in paths:
                tree.refuse(Fault("a mask without its image beside it", path))
        else:
            match = None if own[0] in same else _mask_match(own[0])
            image = part.masks / near[0].name
            yield Pair(part.prefix + near[0].stem, part.split, image, paths[0], match["word"] if match else "mask")
    for file in dict.fromkeys(file for own in images.values() for file in own):
        if file not in used:
            tree.note(part.masks / file.name, "no mask beside it; its frame has none")
            yield Pair(part.prefix + file.stem, part.split, part.masks / file.name, None, "mask")


class Rule(NamedTuple):
    """What to take off the names of images and of masks so that they are equal."""

    image_prefix: str = ""
    image_suffix: str = ""
    mask_prefix: str = ""
    mask_suffix: str = ""

    def image_core(self, stem: str) -> str | None:
        """What is left of an image's name, with its folder; None where the rule does not fit it."""
        return _core(stem, self.image_prefix, self.image_suffix)

    def mask_core(self, stem: str) -> str | None:
        """What is left of a mask's name."""
        return _core(stem, self.mask_prefix, self.mask_suffix)


def _core(stem: str, prefix: str, suffix: str) -> str | None:
    folder, _, name = stem.rpartition("/")
    if not name.startswith(prefix) or not name.endswith(suffix) or len(name) <= len(prefix) + len(suffix):
        return None
    return f"{folder}/{name[len(prefix) : len(name) - len(suffix)]}"


def find_rule(images: Sequence[str], masks: Sequence[str]) -> Rule:
    """The rule by which most masks have an image; of several the one that takes off least.

    >>> find_rule(["image_0001", "image_0002"], ["gt_0001", "gt_0002"])
    Rule(image_prefix='image', image_suffix='', mask_prefix='gt', mask_suffix='')
    """
    names = set(images)
    sample = masks[:: len(masks) // 64 + 1]
    if all(stem in names for stem in sample):
        return Rule()
    image_ends, mask_ends = _ends(images), _ends(masks)
    by_rule = {ends: {_core(stem, *ends) for stem in images} for ends in image_ends}
    best, most = Rule(), 0
    for ends in mask_ends:
        cores = [core for stem in sample if (core := _core(stem, *ends))]
        for image_end in image_ends:
            count = sum(core in by_rule[image_end] for core in cores)
            rule = Rule(*image_end, *ends)
            if count > most or (count == most and len("".join(rule)) < len("".join(best))):
                best, most = rule, count
    return best


def _ends(stems: Sequence[str]) -> list[tuple[str, str]]:
    """The beginnings and ends that all names have in common, cut where a word or number ends."""
    names = [stem.rpartition("/")[2] for stem in stems]
    prefixes = _cuts(names)
    suffixes = [suffix[::-1] for suffix in _cuts([name[::-1] for name in names])]
    return [(prefix, suffix) for prefix in prefixes for suffix in suffixes]


def _cuts(names: Sequence[str]) -> list[str]:
    first, last = min(names), max(names)
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), None)
    common = first[:length]
    cuts = [
        at
        for at in range(1, len(common) + 1)
        if all(len(name) > at and _kind(name[at - 1]) != _kind(name[at]) for name in names)
    ]
    return ["", *(common[:at] for at in cuts[-6:])]


def _kind(sign: str) -> int:
    return 0 if sign.isdecimal() else 1 if sign.isalpha() else 2
