"""Statistics of catalogues with up to a million packages, measured by id range and summed.

A catalogue of up to 25,000 packages is one range, and is measured at every read: ``measuring`` alone serves it. The
other modules keep the cost of a read the same for larger ones; skip them on a first reading.
"""
