"""Baselines, the systems that DAWN is compared with: declaration, setup on this machine, and test videos."""
