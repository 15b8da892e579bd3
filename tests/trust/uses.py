"""Cases of use: threads side by side, and names that look like SQL."""

from __future__ import annotations

import json
import random
import string
import threading
import time
from collections.abc import Callable
from pathlib import Path

from case import Case, kind
from support.common import FIXTURES

import masksdb

STREET = FIXTURES / "street"


@kind("Threads", "8 readers beside a writer, a second each")
def threads(folder: Path) -> Case:
    db = masksdb.connect(folder / "t.duckdb")
    db.ingest(STREET / "frames.jsonl", dataset="street", version="v1")
    queries = [
        "SELECT class_labels, count(*) FROM mask_rois WHERE dataset = 'street' GROUP BY ALL ORDER BY ALL",
        "SELECT sum(mask_area(mask, mask_value)) FROM mask_rois WHERE dataset = 'street' AND mask_id = 'instances'",
        "SELECT dataset, version, count(*) FROM dataset_frames WHERE dataset = 'street' GROUP BY ALL",
    ]
    written = "SELECT DISTINCT count(*) FROM dataset_frames WHERE dataset <> 'street' GROUP BY version_id"
    answers = {query: db.sql(query).fetchall() for query in queries}
    first = db.get_frame("street", "v1", "haifa_00")

    def case(rng: random.Random) -> None:
        end, failures = time.monotonic() + 1, list[str]()

        def read(seed: int) -> None:
            own = random.Random(seed)
            try:
                while time.monotonic() < end:
                    query = own.choice(queries)
                    with db._engine.reading() as cursor:
                        assert cursor.execute(query).fetchall() == answers[query], query
                        assert set(cursor.execute(written).fetchall()) <= {(10,)}, "half of a transaction"
                    assert db.get_frame("street", "v1", "haifa_00") == first
            except BaseException as error:
                failures.append(repr(error))

        def write() -> None:
            try:
                while time.monotonic() < end:
                    name = f"w{rng.randrange(1 << 40)}"
                    db.ingest([{"id": f"{n}"} for n in range(10)], dataset=name, version="v")
                    if rng.random() < 0.5:
                        db.delete_dataset(name, delete_all_versions=True)
            except BaseException as error:
                failures.append(repr(error))

        workers = [threading.Thread(target=read, args=(rng.random(),)) for _ in range(8)]
        workers.append(threading.Thread(target=write))
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures, failures

    return case


PIECES = (
    *(
        "'",
        '"',
        ";",
        "--",
        "/*",
        "*/",
        "\\",
        "$1",
        "?",
        "{part}",
        "%",
        "_",
        "é",
        "𝄞",
        "()",
        "~",
        "..",
        "/",
        "\0",
        "\n",
        " ",
    ),
    *("'; DROP TABLE frames; --", '"; DROP TABLE frames; --', "') OR 1=1 --", "x' || (SELECT 1) || '"),
)


def is_found(get: Callable[[], object]) -> bool:
    """Whether there is something of a name."""
    try:
        get()
    except masksdb.NotFoundError:
        return False
    return True


def nasty(rng: random.Random) -> str:
    """A name that is SQL, a path, or strange."""
    return "".join(rng.choice((*PIECES, *string.ascii_letters[:8])) for _ in range(rng.randrange(1, 6))) + "n"


@kind("Names that look like SQL", "in every argument of the Python API")
def names(folder: Path) -> Case:
    frames = [json.loads(line) for line in (STREET / "frames.jsonl").read_text().splitlines()[:2]]

    def case(rng: random.Random) -> None:
        dataset, version, frame, label, mask, other = (nasty(rng) for _ in range(6))
        rois = [{"label": [label], "mask": {"id": mask, "value": [1]}}]
        source = {"id": mask, "uri": frame, "masks": [{"id": mask, "uri": label}]}
        with masksdb.connect(":memory:") as db:
            db.ingest(frames, dataset="canary", version="v")
            canary = [db.sql(f"FROM {table} ORDER BY ALL").fetchall() for table in ("frames", "rois", "masks")]
            db.ingest(
                [{"id": frame, "meta": {label: other}, "sources": [source], "rois": rois}],
                dataset=dataset,
                version=version,
            )
            assert db.get_frame(dataset, version, frame)["rois"] == rois
            db.version(dataset, version).set_metadata(
                {other: label, "mask_labels": {mask: [{"value": [1], "labels": [label]}]}}
            )
            db.map_media(other, label)
            db.split(dataset, version, {frame: 0.5, label: 0.5}, name=other)
            view = masksdb.DataView(database=db)
            view.add_query(dataset_name=dataset, version_name=version)
            assert [each.id for each in view.get_iterator()] == [frame]
            db.export(folder / "out.jsonl", dataset=dataset, version=version)
            db.create_snapshot(dataset, version, publish_name=f"{other}1", child_name=f"{other}2")
            assert len(db.changes(dataset, f"{other}1", f"{other}2").rows.fetchall()) == 0
            query = "SELECT DISTINCT dataset, frame_id, class_labels FROM mask_rois WHERE dataset = $d"
            assert db.sql(query, {"d": dataset}).fetchall() == [(dataset, frame, [label])]
            db.delete_dataset(dataset, delete_all_versions=True, force=True)
            assert not is_found(lambda: db.version(other))
            assert not is_found(lambda: db.version("canary", other))
            assert not is_found(lambda: db.get_frame("canary", "v", other))
            assert [db.sql(f"FROM {table} ORDER BY ALL").fetchall() for table in ("frames", "rois", "masks")] == canary

    return case
