"""The index does what a dictionary does, whatever is written when, and however often it is opened."""

import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
from cache_index.index_model import NOW_S, Model, abandon, cid_of, difference
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cidbus.actors.cache.index.index import CidIndex, IndexOptions
from cidbus.actors.cache.index.layout import Layout
from cidbus.schemas.cid import CID

OPTIONS = IndexOptions(
    flush_rows=40,
    layout=Layout(row_group_rows=8, partition_rows=24, indexes=("size_bytes",), cold=("filename",)),
)
numbers = st.integers(0, 120)
cids = numbers.map(cid_of)
sizes = st.one_of(st.none(), st.integers(0, 2**40))
rows = st.builds(
    lambda cid, size, mime, name, tags, more, hot: {
        "cid": cid,
        **{
            key: value
            for key, value in (("size_bytes", size), ("mimetype", mime), ("filename", name))
            if value is not None
        },
        **({"tags": tags} if tags is not None else {}),
        **({"properties": more} if more is not None else {}),
        **hot,
    },
    cids,
    sizes,
    st.sampled_from(["image/png", "text/plain", None]),
    st.one_of(st.none(), st.text(max_size=5).filter(lambda text: text.isprintable())),
    st.one_of(st.none(), st.lists(st.sampled_from("abc"), max_size=2)),
    st.one_of(st.none(), st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=2)),
    st.fixed_dictionaries({}, optional={"is_pinned": st.booleans(), "access_count": st.integers(0, 9)}),
)
times = st.floats(NOW_S - 400_000, NOW_S).map(lambda time: round(time, 3))


class IndexMachine(RuleBasedStateMachine):
    """Changes at random, each made in the index and in the model."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cidbus-index-"))
        self.model = Model()
        self.index = self.open()

    def open(self) -> CidIndex:
        return CidIndex.open(self.folder, OPTIONS, clock=lambda: NOW_S)

    @rule(given=st.lists(rows, min_size=1, max_size=30))
    def put(self, given: list[dict[str, object]]) -> None:
        self.index.put_many(given)
        for row in given:
            self.model.put(row)

    @rule(given=st.lists(rows, min_size=1, max_size=40))
    def ingest(self, given: list[dict[str, object]]) -> None:
        by_cid = {str(row["cid"]): row for row in given}
        names = ("cid", "size_bytes", "mimetype", "filename", "access_count")
        schema = pa.schema([self.index.schema.field(name) for name in names])
        some = [{name: row.get(name) for name in names} for row in given]
        self.index.ingest(pa.Table.from_pylist(some, schema=schema))
        for row in by_cid.values():
            self.model.put({name: row[name] for name in names if row.get(name) is not None})

    @rule(
        accesses=st.lists(st.tuples(cids, st.integers(1, 5), times), min_size=1, max_size=30),
        binary=st.booleans(),
    )
    def touch(self, accesses: list[tuple[str, int, float]], binary: bool) -> None:
        unknown = self.index.touch([(bytes(CID.parse(c)) if binary else c, n, at) for c, n, at in accesses])
        expected = [cid for cid, _, _ in accesses if cid not in self.model.rows]
        assert [str(CID.from_bytes(c)) if isinstance(c, bytes) else c for c in unknown] == expected
        for cid, count, at_s in accesses:
            self.model.touch(cid, count, at_s)

    @rule(given=st.lists(cids, min_size=1, max_size=10))
    def delete(self, given: list[str]) -> None:
        assert self.index.delete(given) == len(set(given) & self.model.rows.keys())
        for cid in given:
            self.model.rows.pop(cid, None)

    @rule(cid=cids, size=sizes)
    def update(self, cid: str, size: int | None) -> None:
        if cid in self.model.rows:
            assert self.index.update(cid, {"size_bytes": size, "is_pinned": True})["size_bytes"] == size
            row = self.model.rows[cid]
            row.static.pop("size_bytes", None)
            row.static |= {} if size is None else {"size_bytes": size}
            row.pinned = True

    @rule(cid=cids, valid=st.booleans(), tier=st.sampled_from(["ipfs", "disk", "memory"]))
    def set_hot(self, cid: str, valid: bool, tier: str) -> None:
        assert self.index.set_hot(cid, valid=valid, tier=tier) == (cid in self.model.rows)
        if cid in self.model.rows:
            self.model.rows[cid].valid, self.model.rows[cid].tier = valid, tier

    @rule()
    def checkpoint(self) -> None:
        self.index.checkpoint()

    @rule(full=st.booleans())
    def compact(self, full: bool) -> None:
        self.index.compact(full=full)
        if full:
            assert len(self.index.stats()["runs"]) == bool(self.model.rows)

    @rule(clean=st.booleans())
    def reopen(self, clean: bool) -> None:
        if clean:
            self.index.close()
        else:
            abandon(self.index)
        self.index = self.open()

    @rule()
    def verify(self) -> None:
        assert self.index.verify() == []

    @invariant()
    def index_and_model_are_equal(self) -> None:
        if hasattr(self, "index"):
            assert difference(self.index, self.model) is None

    def teardown(self) -> None:
        if hasattr(self, "index"):
            self.index.close()
            shutil.rmtree(self.folder)


TestIndexIsADictionary = IndexMachine.TestCase
TestIndexIsADictionary.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
