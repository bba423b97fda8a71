"""The same job on several machines: shards, leases, and their dispatch over Dask."""

from socialfetch_async.cluster.attempt import ShardResult
from socialfetch_async.cluster.call import ClusterResult, export_on
from socialfetch_async.cluster.shards import run_shard, run_shard_async

__all__ = ["ClusterResult", "ShardResult", "export_on", "run_shard", "run_shard_async"]
