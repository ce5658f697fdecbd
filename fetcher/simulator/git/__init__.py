"""Git over smart HTTP, version 2 of the protocol, for the histories of a world."""
