"""What several tests share: clips, networks, servers, copies of the repository, golden vectors."""
