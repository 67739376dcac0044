"""The table: every subject of the system, one row each. Nothing else names a subject.

From these rows come the actors' subscriptions, the bridge's routes, the OpenAPI and AsyncAPI documents, the
typed client, the command line's help, each actor's NATS permissions and the table in the README.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import cache, dag, ipfs, journal, journaling, media, names, routing, tree
from .rows import Call, Event, Log, Request, Row, Stream, Upload
from .wire import Empty

__all__ = ["ACTORS", "ROWS", "ActorInfo", "calls", "events", "row_named"]

# ---- ipfs: content, blocks, pins ------------------------------------------------------------------------

ADD = Upload(
    "ipfs.add", ipfs.AddRequest, ipfs.Added,
    "Store content; the same bytes always give the same CID",
    http=("POST /ipfs/add", "POST /ipfs/add/json", "POST /ipfs/add/file"), repeatable=True,
)  # fmt: skip
CAT = Stream(
    "ipfs.cat", ipfs.CatRequest, bytes,
    "The bytes of a file, or a range of them", head=ipfs.FileHead,
    http=("GET /ipfs/cat/{cid}", "GET /ipfs/get/{cid}", "POST /ipfs/cat"),
)  # fmt: skip
GET = Stream(
    "ipfs.get", ipfs.PathRequest, bytes,
    "A file or a whole tree as a tar archive", head=ipfs.TarHead,
    http="GET /ipfs/tar/{cid}",
)  # fmt: skip
LS: Stream[ipfs.PathRequest, Empty, ipfs.DirEntry] = Stream(
    "ipfs.ls", ipfs.PathRequest, ipfs.DirEntry,
    "The entries of a directory", items="entries",
    http="GET /ipfs/ls/{cid}",
)  # fmt: skip
STAT = Request(
    "ipfs.stat", ipfs.PathRequest, ipfs.Stat,
    "What a path is and how large", repeatable=True,
    http="GET /ipfs/stat/{cid}",
)  # fmt: skip

BLOCK_GET = Stream(
    "ipfs.block.get", ipfs.BlockRequest, bytes,
    "One block, as it is stored", head=ipfs.BlockHead,
    http="GET /ipfs/block/get/{cid}",
)  # fmt: skip
BLOCK_WANT = Stream(
    "ipfs.block.want", ipfs.BlockRequest, bytes,
    "One block, if this very node has it: asked by the other nodes of a cluster", head=ipfs.BlockHead,
    timeout_s=10,
)  # fmt: skip
BLOCK_PUT = Upload(
    "ipfs.block.put", ipfs.BlockPut, ipfs.BlockStat,
    "Store one block", repeatable=True,
    http="POST /ipfs/block/put",
)  # fmt: skip
BLOCK_STAT = Request(
    "ipfs.block.stat", ipfs.BlockRequest, ipfs.BlockStat,
    "Whether a block is here, and its size", repeatable=True,
    http="GET /ipfs/block/stat/{cid}",
)  # fmt: skip
BLOCK_RM = Request(
    "ipfs.block.rm", ipfs.BlockRemove, ipfs.BlockRemoved,
    "Remove a block that no pin keeps", timeout_s=600,
    http="POST /ipfs/block/rm",
)  # fmt: skip

PIN = Request(
    "ipfs.pin.add", ipfs.PinRequest, ipfs.Pinned,
    "Keep a DAG from being collected", timeout_s=600, repeatable=True,
    http=("POST /ipfs/pin", "POST /ipfs/pin/add"),
)  # fmt: skip
UNPIN = Request(
    "ipfs.pin.rm", ipfs.PinRemove, ipfs.Pinned,
    "Let a DAG be collected again",
    http=("POST /ipfs/unpin", "POST /ipfs/pin/rm"),
)  # fmt: skip
PINS: Stream[ipfs.PinList, Empty, ipfs.Pin] = Stream(
    "ipfs.pin.ls", ipfs.PinList, ipfs.Pin,
    "What is pinned", items="pins",
    http=("GET /ipfs/pins", "GET /ipfs/pin/ls"),
)  # fmt: skip
PIN_UPDATE = Request(
    "ipfs.pin.update", ipfs.PinUpdate, ipfs.Pinned,
    "Move a pin to a new root", timeout_s=600,
    http="POST /ipfs/pin/update",
)  # fmt: skip

REPO_GC = Request(
    "ipfs.repo.gc", ipfs.RepoGc, ipfs.Collected,
    "Collect what no pin reaches", timeout_s=3600,
    http="POST /ipfs/repo/gc",
)  # fmt: skip
REPO_STAT = Request(
    "ipfs.repo.stat", ipfs.RepoStatRequest, ipfs.RepoStat,
    "How much is stored, and where", repeatable=True,
    http=("GET /ipfs/repo/stat", "GET /ipfs/stats"),
)  # fmt: skip
REPO_VERIFY = Request(
    "ipfs.repo.verify", ipfs.RepoVerify, ipfs.Verified,
    "Read every block and check its hash", timeout_s=3600, repeatable=True,
    http="POST /ipfs/repo/verify",
)  # fmt: skip
VERSION = Request(
    "ipfs.version", ipfs.VersionRequest, ipfs.Version,
    "Versions of this software", repeatable=True,
    http="GET /ipfs/version",
)  # fmt: skip
ID = Request(
    "ipfs.id", ipfs.IdRequest, ipfs.Id,
    "The node's identity", repeatable=True,
    http=("GET /ipfs/id", "POST /ipfs/id"),
)  # fmt: skip

# ---- ipfs: DAGs, CAR files ------------------------------------------------------------------------------

DAG_PUT = Upload(
    "ipfs.dag.put", dag.DagPut, dag.DagPutReply,
    "Store a node of the IPLD data model", repeatable=True,
    http="POST /ipfs/dag/put",
)  # fmt: skip
DAG_GET = Stream(
    "ipfs.dag.get", dag.DagGet, bytes,
    "A node, or what lies at a path in it", head=dag.DagHead,
    http="GET /ipfs/dag/get/{cid}",
)  # fmt: skip
DAG_RESOLVE = Request(
    "ipfs.dag.resolve", dag.DagPath, dag.Resolved,
    "Which block a path ends in", repeatable=True,
    http="GET /ipfs/dag/resolve/{cid}",
)  # fmt: skip
DAG_STAT = Request(
    "ipfs.dag.stat", dag.DagStatRequest, dag.DagStat,
    "How much lies below some roots", timeout_s=600, repeatable=True,
    http="POST /ipfs/dag/stat",
)  # fmt: skip
DAG_IMPORT = Upload(
    "ipfs.dag.import", dag.DagImport, dag.DagImported,
    "Store the blocks of a CAR file and pin its roots", timeout_s=600, repeatable=True,
    http="POST /ipfs/dag/import",
)  # fmt: skip
DAG_EXPORT = Stream(
    "ipfs.dag.export", dag.DagExport, bytes,
    "A DAG, or a part of it, as a CAR file", head=dag.CarHead,
    http="GET /ipfs/dag/export/{cid}",
)  # fmt: skip
REFS: Stream[dag.Refs, Empty, dag.Ref] = Stream(
    "ipfs.refs", dag.Refs, dag.Ref,
    "The links of a DAG", items="refs", timeout_s=600,
    http="GET /ipfs/refs/{cid}",
)  # fmt: skip
REFS_LOCAL: Stream[dag.LocalRefs, Empty, dag.LocalRef] = Stream(
    "ipfs.refs.local", dag.LocalRefs, dag.LocalRef,
    "Every block that is stored here", items="refs",
    http="GET /ipfs/refs/local",
)  # fmt: skip

# ---- ipfs: names and keys -------------------------------------------------------------------------------

KEY_GEN = Request(
    "ipfs.key.gen", names.KeyGen, names.Key,
    "Make a key, and with it a name",
    http="POST /ipfs/key/gen",
)  # fmt: skip
KEYS: Stream[names.KeyList, Empty, names.Key] = Stream(
    "ipfs.key.ls", names.KeyList, names.Key,
    "The keys of this node, without their secrets", items="keys",
    http=("GET /ipfs/keys", "GET /ipfs/key/ls"),
)  # fmt: skip
KEY_RENAME = Request(
    "ipfs.key.rename", names.KeyRename, names.KeyRenamed,
    "Give a key another name",
    http="POST /ipfs/key/rename",
)  # fmt: skip
KEY_RM = Request(
    "ipfs.key.rm", names.KeyRemove, names.Key,
    "Remove a key for good",
    http="POST /ipfs/key/rm",
)  # fmt: skip
NAME_PUBLISH = Request(
    "ipfs.name.publish", names.NamePublish, names.NamePublished,
    "Point a name at content", timeout_s=60, repeatable=True,
    http="POST /ipfs/name/publish",
)  # fmt: skip
NAME_RESOLVE = Request(
    "ipfs.name.resolve", names.NameResolve, names.NameResolved,
    "What a name points at", timeout_s=60, repeatable=True,
    http=("GET /ipfs/name/resolve", "POST /ipfs/name/resolve"),
)  # fmt: skip
NAME_GET = Request(
    "ipfs.name.get", names.NameGet, names.NameRecord,
    "The signed record of a name", timeout_s=60, repeatable=True,
    http="GET /ipfs/name/get",
)  # fmt: skip
NAME_PUT = Request(
    "ipfs.name.put", names.NamePut, names.NameRecord,
    "Keep a record that somebody else signed", timeout_s=60, repeatable=True,
    http="POST /ipfs/name/put",
)  # fmt: skip
NAME_INSPECT = Request(
    "ipfs.name.inspect", names.NameInspect, names.NameInspected,
    "Read a record and check it", repeatable=True,
    http="POST /ipfs/name/inspect",
)  # fmt: skip

# ---- ipfs: who has what ---------------------------------------------------------------------------------

FIND_PROVIDERS = Request(
    "ipfs.routing.findprovs", routing.FindProviders, routing.FoundProviders,
    "Who has some content", timeout_s=60, repeatable=True,
    http=("POST /ipfs/dht/findprovs", "GET /ipfs/dht/findprovs"),
)  # fmt: skip
FIND_PEER = Request(
    "ipfs.routing.findpeer", routing.FindPeer, routing.FoundPeer,
    "Where a peer can be reached", timeout_s=60, repeatable=True,
    http=("POST /ipfs/dht/findpeer", "GET /ipfs/dht/findpeer"),
)  # fmt: skip
PROVIDE = Request(
    "ipfs.routing.provide", routing.Provide, routing.Provided,
    "Tell others that this node has some content", timeout_s=600, repeatable=True,
    http=("POST /ipfs/routing/provide", "POST /ipfs/dht/provide"),
)  # fmt: skip
ROUTING_GET = Request(
    "ipfs.routing.get", routing.RoutingGet, routing.RoutingValue,
    "The record stored under a key", timeout_s=60, repeatable=True,
    http=("GET /ipfs/routing/get", "POST /ipfs/routing/get"),
)  # fmt: skip
ROUTING_PUT = Request(
    "ipfs.routing.put", routing.RoutingPut, routing.RoutingStored,
    "Store a record under its key", timeout_s=60, repeatable=True,
    http="POST /ipfs/routing/put",
)  # fmt: skip
SWARM_PEERS: Stream[routing.SwarmPeers, Empty, routing.Peer] = Stream(
    "ipfs.swarm.peers", routing.SwarmPeers, routing.Peer,
    "The peers that this node is in touch with", items="peers",
    http=("GET /ipfs/swarm/peers", "POST /ipfs/swarm/peers"),
)  # fmt: skip
SWARM_CONNECT = Request(
    "ipfs.swarm.connect", routing.SwarmConnect, routing.SwarmConnected,
    "Connect to a peer", timeout_s=60,
    http="POST /ipfs/swarm/connect",
)  # fmt: skip
SWARM_DISCONNECT = Request(
    "ipfs.swarm.disconnect", routing.SwarmDisconnect, routing.SwarmConnected,
    "Disconnect from a peer", timeout_s=60,
    http="POST /ipfs/swarm/disconnect",
)  # fmt: skip
SWARM_ADDRS: Stream[routing.SwarmAddrs, Empty, routing.Peer] = Stream(
    "ipfs.swarm.addrs", routing.SwarmAddrs, routing.Peer,
    "The addresses of the peers that are known", items="peers",
    http="GET /ipfs/swarm/addrs",
)  # fmt: skip

# ---- cache: content -------------------------------------------------------------------------------------

CACHE_GET = Stream(
    "cache.get", cache.CacheGet, bytes,
    "The bytes of a file by way of the cache, or a range of them", head=cache.CachedHead,
    http="GET /cache/get/{cid}",
)  # fmt: skip
CACHE_PUT = Upload(
    "cache.put", cache.CachePut, cache.CacheKept,
    "Keep a block in the cache", repeatable=True,
    http="POST /cache/put",
)  # fmt: skip
CACHE_INVALIDATE = Request(
    "cache.invalidate", cache.CacheInvalidate, cache.CacheInvalidated,
    "Forget cached content", repeatable=True,
    http="POST /cache/invalidate",
)  # fmt: skip
CACHE_CLEAR = Request(
    "cache.clear", cache.CacheClear, cache.CacheInvalidated,
    "Empty the cache or one of its tiers", timeout_s=60, repeatable=True,
    http="POST /cache/clear",
)  # fmt: skip
CACHE_WARM = Request(
    "cache.warm", cache.CacheWarm, cache.CacheWarmed,
    "Bring files into the cache", timeout_s=600, repeatable=True,
    http="POST /cache/warm",
)  # fmt: skip
CACHE_STATS = Request(
    "cache.stats", cache.CacheStatsRequest, cache.CacheStats,
    "What the cache holds and how well it does", repeatable=True,
    http="GET /cache/stats",
)  # fmt: skip
CACHE_POLICY = Request(
    "cache.policy", cache.PolicyRequest, cache.PolicyState,
    "Which policy fills the cache, or another from now on", repeatable=True,
    http=("POST /cache/policy", "GET /cache/policy"),
)  # fmt: skip
CACHE_TOUCH = Request(
    "cache.touch", cache.CacheTouch, cache.CacheTouched,
    "Note reads that were answered elsewhere",
)  # fmt: skip

# ---- cache: what is known about each CID ----------------------------------------------------------------

CID_GET = Request(
    "cache.cid.get", cache.CidGet, cache.CidRow,
    "What is known about a CID", repeatable=True,
    http="GET /cache/cid/{cid}",
)  # fmt: skip
CID_PUT = Request(
    "cache.cid.put", cache.CidPut, cache.CidRow,
    "Write what is known about a CID", repeatable=True,
    http="POST /cache/cid/put",
)  # fmt: skip
CID_UPDATE = Request(
    "cache.cid.update", cache.CidUpdate, cache.CidRow,
    "Change what is known about a CID", repeatable=True,
    http="POST /cache/cid/update",
)  # fmt: skip
CID_DELETE = Request(
    "cache.cid.delete", cache.CidDelete, cache.CidDeleted,
    "Forget what is known about CIDs", repeatable=True,
    http="POST /cache/cid/delete",
)  # fmt: skip
CID_BATCH = Request(
    "cache.cid.batch", cache.CidBatch, cache.CidBatched,
    "Write, change, forget and read rows of many CIDs", timeout_s=60, repeatable=True,
    http="POST /cache/cid/batch",
)  # fmt: skip
QUERY = Stream(
    "cache.query", cache.QueryRequest, cache.CidRow,
    "Rows of the index that match a filter", head=cache.QueryHead, items="rows", timeout_s=60,
    http=("POST /cache/query", "GET /cache/query"),
)  # fmt: skip
QUERY_ARROW = Stream(
    "cache.query.arrow", cache.QueryRequest, bytes,
    "Rows of the index that match a filter, as an Arrow IPC stream", head=cache.TableHead, timeout_s=60,
    http="POST /cache/query.arrow",
)  # fmt: skip
EXPLAIN = Request(
    "cache.explain", cache.QueryRequest, cache.Explained,
    "How a query would be answered", repeatable=True,
    http="POST /cache/explain",
)  # fmt: skip
AGGREGATE = Request(
    "cache.aggregate", cache.AggregateRequest, cache.Aggregated,
    "Counts, sums and histograms of rows, also by group", timeout_s=60, repeatable=True,
    http="POST /cache/aggregate",
)  # fmt: skip
TOP: Stream[cache.TopRequest, Empty, cache.CidRow] = Stream(
    "cache.top", cache.TopRequest, cache.CidRow,
    "The hottest CIDs", items="rows",
    http="GET /cache/top",
)  # fmt: skip
INDEX_STATS = Request(
    "cache.index.stats", cache.IndexStatsRequest, cache.IndexStats,
    "What the index holds", repeatable=True,
    http="GET /cache/index/stats",
)  # fmt: skip
INDEX_SCHEMA = Request(
    "cache.schema.get", cache.SchemaRequest, cache.IndexSchema,
    "The columns of the index", repeatable=True,
    http="GET /cache/schema",
)  # fmt: skip
INDEX_SCHEMA_CHANGE = Request(
    "cache.schema.change", cache.SchemaChange, cache.IndexSchema,
    "Add, rename or widen a column of the index",
    http="POST /cache/schema",
)  # fmt: skip
OPTIMIZE = Request(
    "cache.optimize", cache.OptimizeRequest, cache.Optimized,
    "Fit the index to how it is used", timeout_s=3600, repeatable=True,
    http="POST /cache/optimize",
)  # fmt: skip
COMPACT = Request(
    "cache.compact", cache.CompactRequest, cache.Compacted,
    "Merge the runs of the index", timeout_s=3600, repeatable=True,
    http="POST /cache/compact",
)  # fmt: skip
INDEX_VERIFY = Request(
    "cache.verify", cache.VerifyRequest, cache.IndexVerified,
    "Read every file of the cache and the index and repair what can be", timeout_s=3600, repeatable=True,
    http="POST /cache/verify",
)  # fmt: skip
EXPORT = Stream(
    "cache.export", cache.ExportRequest, bytes,
    "The whole index as a Parquet file or an Arrow IPC stream", head=cache.TableHead, timeout_s=600,
    http="GET /cache/export",
)  # fmt: skip

# ---- ipfs: trees, files in the making, named roots, uploads ----------------------------------------------

TREE_PATCH = Request(
    "ipfs.tree.patch", tree.TreePatch, tree.TreePatched,
    "Make another tree of a tree: groups of operations in, the new root out", timeout_s=600, repeatable=True,
    http="POST /ipfs/tree/patch",
)  # fmt: skip
TREE_STAT = Request(
    "ipfs.tree.stat", tree.TreeLookup, tree.TreeEntry,
    "What stands at a path of a tree", repeatable=True,
    http="GET /ipfs/tree/stat/{root}",
)  # fmt: skip
TREE_LS: Stream[tree.TreeFind, tree.TreeEntry, tree.TreeEntry] = Stream(
    "ipfs.tree.ls", tree.TreeFind, tree.TreeEntry,
    "The entries below a path of a tree, by glob, type and depth", head=tree.TreeEntry, items="entries",
    timeout_s=600,
    http="GET /ipfs/tree/ls/{root}",
)  # fmt: skip
TREE_DU = Request(
    "ipfs.tree.du", tree.TreeUsage, tree.Usage,
    "What a tree takes", timeout_s=600, repeatable=True,
    http="GET /ipfs/tree/du/{root}",
)  # fmt: skip
TREE_DIFF: Stream[tree.TreeDiff, Empty, tree.Difference] = Stream(
    "ipfs.tree.diff", tree.TreeDiff, tree.Difference,
    "What differs between two trees", items="differences", timeout_s=600,
    http="GET /ipfs/tree/diff/{before}/{after}",
)  # fmt: skip
TREE_EXPORT = Stream(
    "ipfs.tree.export", tree.TreeExport, bytes,
    "A tree, or what it has that an earlier one had not, as a CAR file", head=dag.CarHead, timeout_s=600,
    http="GET /ipfs/tree/export/{root}",
)  # fmt: skip
FILE_WRITE = Upload(
    "ipfs.file.write", tree.FileWrite, tree.FileWritten,
    "Make another file of a file: bytes written at an offset or at its end", timeout_s=60, repeatable=True,
    http="POST /ipfs/file/write",
)  # fmt: skip
ROOT_SET = Request(
    "ipfs.root.set", tree.RootSet, tree.NamedRoot,
    "Keep a DAG under a name, as far as it is here", repeatable=True,
    http="POST /ipfs/root/set",
)  # fmt: skip
ROOTS_RM = Request(
    "ipfs.root.rm", tree.RootsRemove, tree.RootsRemoved,
    "Let named roots go", repeatable=True,
    http="POST /ipfs/root/rm",
)  # fmt: skip
ROOTS: Stream[tree.RootList, Empty, tree.NamedRoot] = Stream(
    "ipfs.root.ls", tree.RootList, tree.NamedRoot,
    "The named roots", items="roots",
    http="GET /ipfs/root/ls",
)  # fmt: skip

UPLOAD_CREATE = Request(
    "ipfs.upload.create", tree.UploadCreate, tree.UploadState,
    "Begin an upload that may be broken off and go on",
    http="POST /ipfs/upload/create",
)  # fmt: skip
UPLOAD_APPEND = Upload(
    "ipfs.upload.append", tree.UploadAppend, tree.UploadState,
    "The next bytes of an upload", timeout_s=60,
    http="POST /ipfs/upload/append/{id}",
)  # fmt: skip
UPLOAD_STAT = Request(
    "ipfs.upload.stat", tree.UploadRequest, tree.UploadState,
    "How far an upload is", repeatable=True,
    http="GET /ipfs/upload/stat/{id}",
)  # fmt: skip
UPLOAD_FINISH = Request(
    "ipfs.upload.finish", tree.UploadFinish, tree.UploadState,
    "Complete an upload whose size was not known", repeatable=True,
    http="POST /ipfs/upload/finish/{id}",
)  # fmt: skip
UPLOAD_CANCEL = Request(
    "ipfs.upload.cancel", tree.UploadRequest, tree.UploadState,
    "Give an upload up, and its space free", repeatable=True,
    http="POST /ipfs/upload/cancel/{id}",
)  # fmt: skip
UPLOADS: Stream[tree.UploadList, Empty, tree.UploadState] = Stream(
    "ipfs.upload.ls", tree.UploadList, tree.UploadState,
    "The uploads that are under way", items="uploads",
    http="GET /ipfs/upload/ls",
)  # fmt: skip

# ---- journal: the file tree -----------------------------------------------------------------------------

FS_MKDIR = Request(
    "journal.mkdir", journal.MakeDirectory, journal.Changed,
    "Make a directory",
    http=("POST /fs-journal/mkdir", "POST /journal/mkdir"),
)  # fmt: skip
FS_WRITE = Upload(
    "journal.write", journal.WriteFile, journal.Changed,
    "Write into a file: at an offset, at its end, or all of it", timeout_s=60,
    http="POST /journal/write",
)  # fmt: skip
FS_PUT = Request(
    "journal.put", journal.PutContent, journal.Changed,
    "Place content that has a CID at a path",
    http="POST /journal/put",
)  # fmt: skip
FS_TRUNCATE = Request(
    "journal.truncate", journal.TruncateFile, journal.Changed,
    "Cut a file to a size, or fill it up with zeros", timeout_s=600,
    http="POST /journal/truncate",
)  # fmt: skip
FS_RM = Request(
    "journal.rm", journal.RemoveEntry, journal.Changed,
    "Remove a file, a link or a directory",
    http=("POST /fs-journal/remove", "POST /journal/rm"),
)  # fmt: skip
FS_MV = Request(
    "journal.mv", journal.MoveEntry, journal.Changed,
    "Give an entry another path",
    http=("POST /fs-journal/move", "POST /journal/mv"),
)  # fmt: skip
FS_CP = Request(
    "journal.cp", journal.CopyEntry, journal.Changed,
    "Place an entry at a second path",
    http="POST /journal/cp",
)  # fmt: skip
FS_SYMLINK = Request(
    "journal.symlink", journal.MakeLink, journal.Changed,
    "Make a symbolic link",
    http="POST /journal/symlink",
)  # fmt: skip
FS_METADATA = Request(
    "journal.metadata", journal.SetMetadata, journal.Changed,
    "Set mode and time of an entry",
    http="POST /journal/metadata",
)  # fmt: skip
FS_TOUCH = Request(
    "journal.touch", journal.Touch, journal.Changed,
    "Set the time of an entry, making an empty file if there is none",
    http="POST /journal/touch",
)  # fmt: skip
FS_CHMOD = Request(
    "journal.chmod", journal.Chmod, journal.Changed,
    "Set the mode of an entry",
    http="POST /journal/chmod",
)  # fmt: skip
FS_MOUNT = Request(
    "journal.mount", journal.Mount, journal.Changed,
    "Place the content of a CID at a path, with the directories above it",
    http=("POST /fs-journal/mount", "POST /journal/mount"),
)  # fmt: skip
FS_UNMOUNT = Request(
    "journal.unmount", journal.Unmount, journal.Changed,
    "Take what was mounted out of the tree",
    http="POST /journal/unmount",
)  # fmt: skip
FS_RESTORE = Request(
    "journal.restore", journal.Restore, journal.Changed,
    "Bring a path back as it was",
    http="POST /journal/restore",
)  # fmt: skip
FS_APPLY = Request(
    "journal.apply", journal.Apply, journal.Changed,
    "Several operations as one: all or none", timeout_s=600,
    http="POST /journal/apply",
)  # fmt: skip

FS_BEGIN = Request(
    "journal.begin", journal.Begin, journal.TransactionInfo,
    "Begin a transaction",
    http="POST /journal/begin",
)  # fmt: skip
FS_COMMIT = Request(
    "journal.commit", journal.End, journal.Changed,
    "Make what a transaction has done so for everybody", timeout_s=600,
    http="POST /journal/commit",
)  # fmt: skip
FS_ROLLBACK = Request(
    "journal.rollback", journal.End, journal.TransactionInfo,
    "Forget what a transaction has done",
    http="POST /journal/rollback",
)  # fmt: skip
FS_TRANSACTIONS: Stream[journal.TransactionList, Empty, journal.TransactionInfo] = Stream(
    "journal.transactions", journal.TransactionList, journal.TransactionInfo,
    "Transactions, open ones and past ones", items="transactions",
    http=("GET /fs-journal/transactions", "GET /journal/transactions"),
)  # fmt: skip
FS_RECORD = Request(
    "journal.record", journal.Recorded, journal.Changed,
    "One operation in the words of the journal: create, delete, rename, write, …", timeout_s=600,
    http="POST /fs-journal/transactions",
)  # fmt: skip

FS_STAT = Request(
    "journal.stat", journal.StatPath, journal.PathStat,
    "What stands at a path", repeatable=True,
    http="GET /journal/stat",
)  # fmt: skip
FS_READ = Stream(
    "journal.read", journal.ReadFile, bytes,
    "The bytes of a file of the tree, or a range of them", head=ipfs.FileHead,
    http=("GET /fs-journal/read", "GET /journal/read"),
)  # fmt: skip
FS_LS: Stream[journal.ListPath, journal.ListHead, tree.TreeEntry] = Stream(
    "journal.ls", journal.ListPath, tree.TreeEntry,
    "The entries of a directory", head=journal.ListHead, items="entries", timeout_s=600,
    http=("GET /fs-journal/ls", "GET /journal/ls"),
)  # fmt: skip
FS_FIND: Stream[journal.FindPath, journal.ListHead, tree.TreeEntry] = Stream(
    "journal.find", journal.FindPath, tree.TreeEntry,
    "Entries below a path, by glob, type and depth", head=journal.ListHead, items="entries", timeout_s=600,
    http="GET /journal/find",
)  # fmt: skip
FS_DU = Request(
    "journal.du", journal.UsePath, tree.Usage,
    "What a path takes", timeout_s=600, repeatable=True,
    http="GET /journal/du",
)  # fmt: skip
FS_DIFF: Stream[journal.DiffStates, journal.DiffHead, tree.Difference] = Stream(
    "journal.diff", journal.DiffStates, tree.Difference,
    "What differs between two states of the tree", head=journal.DiffHead, items="differences", timeout_s=600,
    http="GET /journal/diff",
)  # fmt: skip
FS_EXPORT = Request(
    "journal.export", journal.ExportPath, journal.Exported,
    "The CID of a path",
    http=("POST /fs-journal/export", "POST /journal/export"),
)  # fmt: skip

JOURNAL_LOG: Stream[journaling.LogRequest, Empty, journaling.Entry] = Stream(
    "journal.log", journaling.LogRequest, journaling.Entry,
    "Entries of the journal", items="log", timeout_s=60,
    http="GET /journal/log",
)  # fmt: skip
JOURNAL_STATUS = Request(
    "journal.status", journaling.StatusRequest, journaling.JournalStatus,
    "The journal in numbers", repeatable=True,
    http=(
        "GET /cli/fs/journal-status", "GET /cli/fs/journal/status", "GET /fs-journal/status",
        "GET /journal/status",
    ),
)  # fmt: skip
JOURNAL_ENABLE = Request(
    "journal.enable", journaling.EnableJournaling, journaling.JournalingEnabled,
    "Say where the journal's archive is and when it is written", timeout_s=600,
    http=("POST /cli/fs/enable-journaling", "POST /journal/enable"),
)  # fmt: skip
JOURNAL_CHECKPOINT = Request(
    "journal.checkpoint", journaling.CheckpointRequest, journaling.Checkpoint,
    "Write the tree of now into the archive", timeout_s=3600,
    http=("POST /fs-journal/checkpoint", "POST /journal/checkpoint"),
)  # fmt: skip
JOURNAL_CHECKPOINTS: Stream[journaling.CheckpointList, Empty, journaling.Checkpoint] = Stream(
    "journal.checkpoints", journaling.CheckpointList, journaling.Checkpoint,
    "The checkpoints in the archive", items="checkpoints",
    http="GET /journal/checkpoints",
)  # fmt: skip
JOURNAL_RECOVER = Request(
    "journal.recover", journaling.Recover, journaling.Recovered,
    "Bring the tree back from its journal, its archive or a checkpoint", timeout_s=3600,
    http=("POST /fs-journal/recover", "POST /journal/recover"),
)  # fmt: skip
JOURNAL_VERIFY = Request(
    "journal.verify", journaling.VerifyJournal, journaling.JournalVerified,
    "Check the chain of the journal and its archive", timeout_s=3600, repeatable=True,
    http="POST /journal/verify",
)  # fmt: skip
JOURNAL_TRUNCATE = Request(
    "journal.forget", journaling.Truncation, journaling.Truncated,
    "Forget old entries of the journal", timeout_s=600,
    http="POST /journal/forget",
)  # fmt: skip

JOURNAL_ENTRIES = Log(
    "journal.entries", journaling.Record,
    "The journal: every change of the file tree, each chained to the one before",
)  # fmt: skip

# ---- media ----------------------------------------------------------------------------------------------

PROBE = Request(
    "media.probe", media.Probe, media.Probed,
    "What a file of audio or video holds", timeout_s=60, repeatable=True,
    http="GET /media/probe/{cid}",
)  # fmt: skip
HLS = Request(
    "media.hls", media.PackageHls, media.Hls,
    "Package a video for HTTP Live Streaming, its segments as content", timeout_s=3600,
    http="POST /media/hls",
)  # fmt: skip
THUMBNAIL = Request(
    "media.thumbnail", media.MakeThumbnail, media.Thumbnail,
    "A picture out of a video", timeout_s=120,
    http="POST /media/thumbnail",
)  # fmt: skip
WAVEFORM = Request(
    "media.waveform", media.MakeWaveform, media.Waveform,
    "The peaks of a sound", timeout_s=600,
    http="POST /media/waveform",
)  # fmt: skip
MEDIA_CANCEL = Request(
    "media.cancel", media.CancelMedia, media.CancelledMedia,
    "Give work on a file up, unless others wait for it too", repeatable=True,
    http="POST /media/cancel",
)  # fmt: skip

# ---- events ---------------------------------------------------------------------------------------------

ADDED = Event("ipfs.added", ipfs.ContentAdded, "Content was stored", also="content_added")
PINNED = Event("ipfs.pinned", ipfs.PinChanged, "A DAG was pinned, or its pin changed", also="pin_added")
UNPINNED = Event("ipfs.unpinned", ipfs.PinChanged, "A pin was removed or has expired", also="pin_removed")
REMOVED = Event("ipfs.removed", ipfs.BlockGone, "A block was removed on request", also="content_removed")
COLLECTED = Event("ipfs.collected", ipfs.GarbageCollected, "Garbage was collected")
NAMED = Event("ipfs.named", names.NameChanged, "A name was pointed at content", also="name_published")
ANNOUNCED = Event("ipfs.announced", routing.Announced, "A node told what it has")
UPLOADED = Event("ipfs.uploaded", tree.UploadProgress, "An upload has come further", also="upload_progressed")
CHANGED = Event("journal.changed", journal.TreeChanged, "The file tree has changed")
CHECKPOINTED = Event("journal.checkpointed", journaling.CheckpointMade, "A checkpoint was written")
RECOVERED = Event("journal.recovered", journaling.JournalRecovered, "The file tree was recovered")
PROGRESSED = Event("media.progressed", media.MediaProgress, "Work on a file has come further")
LET_GO = Event("media.cancelled", media.CancelledMedia, "Somebody gave work on a file up")
INVALIDATED = Event("cache.invalidated", cache.CacheForgot, "Cached content is to be forgotten everywhere")

# ---- the whole ------------------------------------------------------------------------------------------

ROWS: tuple[Row, ...] = tuple(row for row in globals().values() if isinstance(row, Row))


@dataclass(frozen=True)
class ActorInfo:
    """One actor: what it owns, and the rows of other actors that it may call.

    `per_node` says that each node of a cluster has its own of what the actor owns, so that it matters which
    one answers; of the others it does not. `optional` says that a system is ready without it.
    """

    summary: str
    calls: tuple[Call, ...] = ()  # type: ignore[type-arg]
    per_node: bool = False
    optional: bool = False


ACTORS: dict[str, ActorInfo] = {
    "ipfs": ActorInfo("Owns blocks, pins and names", calls=(BLOCK_WANT,), per_node=True),
    "cache": ActorInfo(
        "Owns the content cache and the CID index", calls=(CAT, STAT, BLOCK_GET, PINS), per_node=True
    ),
    "journal": ActorInfo(
        "Owns the file tree and its journal",
        calls=(
            TREE_PATCH,
            TREE_STAT,
            TREE_LS,
            TREE_DU,
            TREE_DIFF,
            TREE_EXPORT,
            FILE_WRITE,
            ROOT_SET,
            ROOTS_RM,
            ROOTS,
            CAT,
            PIN,
            DAG_IMPORT,
            BLOCK_STAT,
            # An instance passes on what belongs to a transaction, or an archive, that another one has.
            *(row for row in globals().values() if isinstance(row, Call) and row.actor == "journal"),
        ),
    ),
    "media": ActorInfo(
        "Makes playlists, pictures and waveforms of files",
        calls=(CAT, STAT, PIN, FILE_WRITE, TREE_PATCH, ROOTS, ROOTS_RM),
        optional=True,
    ),
    "telemetry": ActorInfo("Owns operation records"),
    "peer_discovery": ActorInfo("Owns the register of nodes"),
    "task_scheduler": ActorInfo("Owns tasks and their results", calls=(ADD, CAT)),
    "webrtc": ActorInfo("Owns media streams", calls=(CAT, STAT)),
    "state": ActorInfo("Owns the cluster's shared state"),
    "config": ActorInfo("Owns the configuration"),
    "access": ActorInfo("Owns tokens, roles, tenants and the audit"),
}


def calls(actor: str | None = None) -> list[Call]:  # type: ignore[type-arg]
    """The rows that somebody answers, of one actor or of all."""
    return [row for row in ROWS if isinstance(row, Call) and actor in (None, row.actor)]


def logs(actor: str | None = None) -> list[Log]:  # type: ignore[type-arg]
    """The rows that are written down, of one actor or of all."""
    return [row for row in ROWS if isinstance(row, Log) and actor in (None, row.actor)]


def events(actor: str | None = None) -> list[Event]:  # type: ignore[type-arg]
    """The rows that announce something, of one actor or of all."""
    return [row for row in ROWS if isinstance(row, Event) and actor in (None, row.actor)]


def row_named(name: str) -> Row:
    """The row of this name, such as `ipfs.pin.add`; raises KeyError if there is none."""
    return _BY_NAME[name]


_BY_NAME = {row.name: row for row in ROWS}
