"""Every layer as data: the cases that hold all backends to one behaviour."""
