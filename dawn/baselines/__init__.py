"""The systems that DAWN is compared with: what is declared of each, where a person sets it up, and its test videos."""
