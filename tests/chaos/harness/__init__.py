"""What makes faults happen and judges what they left; shared by the tests and by ``make chaos``."""
