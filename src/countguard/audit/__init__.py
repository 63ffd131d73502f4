"""Before training: is this data set poisoned? One file a kind of evidence, one verdict."""
