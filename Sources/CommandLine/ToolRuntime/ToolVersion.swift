/// The version of all tools of the suite: the one that `--version` prints and that provenance records.
public let toolVersion = "0.1.0"
