"""Networks and images as trackers see them.

The hand-made features (color, deep, augmentation, extractor, featurebase, preprocessing) are for
trackers of your own, written for pytracking; no tracker of this toolkit imports them.
"""
