"""Engines that solve a compiled program: HiGHS, and CP-SAT as an independent second opinion."""
