"""Webhooks of forges: their signatures, their events, and the inbox in Redis that workers empty.

A webhook is a *hint*: it makes packages due, and the next response of the forge is the only source of values.
"""
