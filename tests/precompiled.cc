// Headers alone are compiled of it: see actkin_precompiled_headers in CMakeLists.txt.
