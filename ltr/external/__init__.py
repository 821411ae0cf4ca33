"""Operators that pytracking has as git submodules which compile CUDA code, under the same names, in
plain torch: for networks of your own; nothing here imports it.
"""
