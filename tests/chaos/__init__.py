"""Fault injection: killed processes, lost servers and wrong upstream responses, and the invariants under them."""
