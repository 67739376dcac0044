"""Ratios against limits: each of our paths beside the fastest thing that could stand in its place."""
