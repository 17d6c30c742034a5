"""The oracle: what each layer and function must infer and compute, stated without Isomorph.

Plain NumPy in double precision and the standard library, written from the specification. It
imports nothing of Isomorph's core or backends, so that a fault there can't hide here.
"""
