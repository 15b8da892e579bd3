"""Masks without a database.

``media``, ``read``, ``png``, ``decode``, ``video`` and ``headers`` turn files into pixels. ``masks`` and ``regions``
turn pixels into the distinct values of a mask with their colours, areas and runs, which ``mask_cache`` keeps; where
``kernel`` finds the extension module of ``csrc``, it does both in one step.
``selection``, ``rle``, ``polygons``, ``outlines`` and ``components`` compute regions; ``painting`` puts them over
each other. ``functions`` are the SQL functions over all of this.
"""
