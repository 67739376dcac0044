"""How the index fits itself to its use: workloads, observed queries, layouts."""
