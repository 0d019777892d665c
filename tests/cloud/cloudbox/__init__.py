"""EC2 in a box: a strict AWS endpoint in front of moto, with faults on demand and a ledger of what was launched."""
