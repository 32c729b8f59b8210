"""The parts of bench/attack: a service of its own, paying users, attacks, and what is held against them. Standard library only."""
