# Written by ppcdeps: CMake makes code for ppc64le with the cross compiler and the libraries that lie beside the machine's own.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ppc64le)
set(CMAKE_LIBRARY_ARCHITECTURE powerpc64le-linux-gnu)
set(CMAKE_C_COMPILER powerpc64le-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER powerpc64le-linux-gnu-g++)
set(CMAKE_ASM_COMPILER powerpc64le-linux-gnu-gcc)
set(PKG_CONFIG_EXECUTABLE /usr/bin/powerpc64le-linux-gnu-pkg-config)
# One root holds both: programs are the machine's, libraries are chosen by the triplet in their path.
set(CMAKE_IGNORE_PATH /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu)
