"""Groups of crops of one target, of cut-outs, photographs with boxes and frames of videos."""
