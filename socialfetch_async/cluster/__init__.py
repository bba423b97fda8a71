"""The same job on several machines: shards, leases, and their dispatch over Dask."""

from socialfetch_async.cluster.attempt import ShardResult
from socialfetch_async.cluster.call import estimate_on, export_on
from socialfetch_async.cluster.job import ClusterJob as ClusterJob
from socialfetch_async.cluster.result import ClusterResult
from socialfetch_async.cluster.shards import run_shard, run_shard_async

__all__ = [
    "ClusterResult",
    "ShardResult",
    "estimate_on",
    "export_on",
    "run_shard",
    "run_shard_async",
]
