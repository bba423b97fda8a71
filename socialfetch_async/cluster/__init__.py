"""The same job on several machines: shards, leases, and their dispatch over Dask."""
