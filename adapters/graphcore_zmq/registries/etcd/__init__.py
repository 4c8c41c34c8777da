"""Names in etcd: registered, kept alive, looked up and followed."""
