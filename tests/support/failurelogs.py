"""Logs of builds that fail on ppc64le, in the words of the tools, with the cause of each."""
# ruff: noqa: E501

ARCH = "it does not know the architecture"
GUESS = "its config.guess or config.sub is too old to know powerpc64le"
ASSEMBLER = "it has assembler of another machine"
MEMORY = "out of memory"
NETWORK = "it wants the network, which a build does not have"

LOGS: dict[str, tuple[str, str]] = {
    "noted before the build": (
        "its pyproject.toml requires setuptools>=77, and the buildroot has 53.0.0",
        "build-system.requires: setuptools>=77, and the buildroot has 53.0.0\n",
    ),
    # x86 headers and intrinsics
    "cpuid.h": ("it includes cpuid.h, which no package has on POWER", "a.c:1:10: fatal error: cpuid.h: No such file or directory\n    1 | #include <cpuid.h>\ncompilation terminated.\n"),
    "wmmintrin.h": ("it includes wmmintrin.h, which no package has on POWER", "a.c:1:10: fatal error: wmmintrin.h: No such file or directory\n"),
    "sys/io.h": ("it includes sys/io.h, which no package has on POWER", "src/port.c:12:10: fatal error: sys/io.h: No such file or directory\n"),
    "avx512 header by clang": ("it includes avx512fintrin.h, which no package has on POWER", "src/a.cc:3:10: fatal error: 'avx512fintrin.h' file not found\n"),
    "intrin.h of MSVC": ("it includes intrin.h, which no package has on POWER", "x.cpp:9:10: fatal error: 'intrin.h' file not found\n"),
    "arm_neon.h": ("it includes arm_neon.h, which no package has on POWER", "x.c:9:10: fatal error: arm_neon.h: No such file or directory\n"),
    "emmintrin.h that stops": ("it uses x86 intrinsics (emmintrin.h)", '/usr/lib/gcc/ppc64le-redhat-linux/11/include/emmintrin.h:55:2: error: #error "Please read comment above.  Use -DNO_WARN_X86_INTRINSICS to disable this error."\n'),
    "builtins of x86": ("it uses __builtin_ia32_crc32di, which is for x86", "crc.c:20:12: warning: implicit declaration of function ‘__builtin_ia32_crc32di’ [-Wimplicit-function-declaration]\n"),
    "intrinsics that are not linked": ("it uses _mm_pause, which is for x86", "/usr/bin/ld: lock.o: in function `spin':\nlock.c:(.text+0x40): undefined reference to `_mm_pause'\ncollect2: error: ld returned 1 exit status\n"),
    "__m256 is no type": ("it uses __m256i, which is for x86", "v.c:4:1: error: unknown type name ‘__m256i’\n"),
    "rdtsc": ("it uses __rdtsc, which is for x86", "t.cpp:8:12: error: ‘__rdtsc’ was not declared in this scope\n"),
    "outb": ("it uses outb, which is for x86", "io.c:5:3: error: implicit declaration of function 'outb' is invalid in C99 [-Werror,-Wimplicit-function-declaration]\n"),
    "attribute target": ("it compiles functions for x86's processors (attribute target, avx)", 'k.c:3:1: error: attribute ‘target("avx2")’ is unknown\n'),
    # options
    "-msse4.2": ("it compiles with -msse4.2, which is for x86", "gcc: error: unrecognized command-line option ‘-msse4.2’\n"),
    "-mf16c": ("it compiles with -mf16c, which is for x86", "gcc: error: unrecognized command-line option ‘-mf16c’\n"),
    "-maes": ("it compiles with -maes, which is for x86", "gcc: error: unrecognized command-line option ‘-maes’; did you mean ‘-mads’?\n"),
    "-mno-avx2": ("it compiles with -mno-avx2, which is for x86", "g++: error: unrecognized command-line option ‘-mno-avx2’\n"),
    "-mpclmul": ("it compiles with -mpclmul, which is for x86", "cc1: error: unrecognized command line option '-mpclmul'\n"),
    "-march=native": ("it compiles with -march=native, which is for x86", "gcc: error: unrecognized command-line option ‘-march=native’; did you mean ‘-mcpu=native’?\n"),
    "-mfentry": ("it compiles with -mfentry, which gcc for POWER does not have", "cc1: error: unrecognized command-line option ‘-mfentry’\n"),
    "clang -mavx2": ("it compiles with -mavx2, which is not for POWER", "clang: error: unsupported option '-mavx2' for target 'powerpc64le-unknown-linux-gnu'\n"),
    "clang 17 -msse2": ("it compiles with -msse2, which is not for POWER", "clang-17: error: unknown argument '-msse2'\n"),
    "-mtune of x86": ("it compiles for the processor generic-x86, which is not of POWER", "cc1: error: bad value ‘generic-x86’ for ‘-mtune=’ switch\n"),
    "target CPU of x86": ("it compiles for the processor x86-64-v3, which is not of POWER", "error: unknown target CPU 'x86-64-v3'\n"),
    "-m32": ("it compiles with -m32, which is for x86", "cc1: error: ‘-m32’ not supported in this configuration\n"),
    # assembler and linker
    "opcode": (ASSEMBLER, "/tmp/a.s: Assembler messages:\n/tmp/a.s:19: Error: unrecognized opcode: `cpuid'\n"),
    "registers of x86 in asm": (ASSEMBLER, "a.c:7:3: error: unknown register name ‘rbx’ in ‘asm’\n"),
    "constraint": (ASSEMBLER, "a.c:3:3: error: impossible constraint in ‘asm’\n"),
    "LLVM's assembler": (ASSEMBLER, "<inline asm>:1:2: error: unrecognized instruction mnemonic\n        pause\n"),
    "emulation mode": ("it links for another machine", "/usr/bin/ld: unrecognised emulation mode: elf_x86_64\n"),
    "prebuilt for x86": ("it links for another machine", "/usr/bin/ld: lib/libfoo.a(a.o): Relocations in generic ELF (EM: 62)\n/usr/bin/ld: lib/libfoo.a(a.o): error adding symbols: file in wrong format\n"),
    "code model": ("the program is larger than the code model that it is compiled for", "a.o:(.text+0x44): relocation truncated to fit: R_PPC64_REL24 against symbol `f'\n"),
    "libatomic": ("it uses __atomic_load_16 without libatomic", "a.cpp:(.text+0x10): undefined reference to `__atomic_load_16'\n"),
    "__float128": ("it is about long double and __float128, which are others on POWER", "q.c:1:1: error: unknown type name '__float128'\n"),
    # architecture
    "config.sub": (GUESS, "checking build system type... Invalid configuration `ppc64le-redhat-linux-gnu': machine `ppc64le-redhat' not recognized\nconfigure: error: /bin/sh ./config.sub ppc64le-redhat-linux-gnu failed\n"),
    "config.guess": (GUESS, "checking build system type... ./config.guess: unable to guess system type\n"),
    "build type": (GUESS, "configure: error: cannot guess build type; you must specify one\n"),
    "#error": (ARCH, 'src/cpu.h:20:2: error: #error "Unsupported architecture"\n'),
    "#error by clang": (ARCH, "src/cpu.h:20:2: error: Unknown CPU\n"),
    "#error about endianness": (ARCH, 'e.h:4:2: error: #error "cannot determine endianness"\n'),
    "CMake": (ARCH, "CMake Error at CMakeLists.txt:10 (message):\n  Unsupported processor: ppc64le\n-- Configuring incomplete, errors occurred!\n"),
    "CMake the other way": (ARCH, "CMake Error at cmake/arch.cmake:3 (message):\n  ppc64le is not supported\n"),
    "meson": (ARCH, "meson.build:30:4: ERROR: Problem encountered: Unsupported CPU family ppc64\n"),
    "a script": (ARCH, "./build.sh: error: unknown architecture powerpc64le\n"),
    "ExclusiveArch": ("its spec is not for ppc64le", "error: Architecture is not included: ppc64le\n"),
    "jemalloc": ("its jemalloc is built for smaller pages than POWER's 64 KiB", "<jemalloc>: Unsupported system page size\nerror: could not compile `x`\n"),
    # Rust
    "ring": ("the crate ring 0.16.20 is not for POWER", "error: failed to run custom build command for `ring v0.16.20`\n  thread 'main' panicked at 'called `Option::unwrap()` on a `None` value', vendor/ring/build.rs:358:10\n"),
    "old rustc": ("the build root's Rust is too old", "error: package `x v1.0` cannot be built because it requires rustc 1.74 or newer, while the currently active rustc version is 1.66\n"),
    "edition 2024": ("the build root's Rust is too old", "error: failed to parse manifest\n\nCaused by:\n  feature `edition2024` is required\n"),
    "crate without network": ("cargo does not find the crate serde, and has no network", "error: no matching package named `serde` found\nlocation searched: registry `crates-io`\n"),
    "arch of x86_64": ("the crate has code for other processors (x86_64)", "error[E0432]: unresolved import `std::arch::x86_64`\n"),
    "no std": ("Rust has no standard library for powerpc64le-unknown-linux-musl in the build root", "error[E0463]: can't find crate for `std`\n  = note: the `powerpc64le-unknown-linux-musl` target may not be installed\n"),
    # Go
    "Go files": ("the Go package /build/vendor/github.com/a/b has no files for ppc64le", "imports github.com/a/b: build constraints exclude all Go files in /build/vendor/github.com/a/b\n"),
    "Go assembler": ("its Go code relies on assembler or calls of x86", "./hash.go:8:6: missing function body\n"),
    "syscalls": ("its Go code relies on assembler or calls of x86 (SYS_FUTIMESAT)", "vendor/a/u.go:8:2: undefined: syscall.SYS_FUTIMESAT\n"),
    "old Go": ("the build root's Go is too old", "go: go.mod requires go >= 1.22.0 (running go 1.19.13; GOTOOLCHAIN=local)\n"),
    "vendored modules": ("the vendored Go modules are not complete", "go: inconsistent vendoring in /build:\n"),
    "Go's proxy": (NETWORK, 'go: a@v1: Get "https://proxy.golang.org/a": dial tcp: lookup proxy.golang.org: i/o timeout\n'),
    # Python
    "license": ("setuptools in the build root is too old for this pyproject.toml (project.license)", "configuration error: `project.license` must be valid exactly by one definition (2 matches found):\n"),
    "build backend": ("the Python build backend poetry.core.masonry.api is missing in the build root", "pyproject_hooks._impl.BackendUnavailable: Cannot import 'poetry.core.masonry.api'\n"),
    "Python module": ("the Python module Cython is missing in the build root", "ModuleNotFoundError: No module named 'Cython'\n"),
    "wheel": ("setuptools has no command bdist_wheel in the build root", "error: invalid command 'bdist_wheel'\n"),
    "pip": ("it wants the network, which a build does not have setuptools>=61", "ERROR: No matching distribution found for setuptools>=61\n"),
    # what is missing
    "header": ("the header libaio.h is missing", "block/linux-aio.c:20:10: fatal error: libaio.h: No such file or directory\n"),
    "header by clang": ("the header zlib.h is missing", "z.c:1:10: fatal error: 'zlib.h' file not found\n"),
    "BuildRequires": ("the BuildRequires glib2-devel >= 2.56 is not installed", "error: Failed build dependencies:\n\tglib2-devel >= 2.56 is needed by libvirt-9-1.src\n"),
    "BuildRequires by dnf": ("the BuildRequires libpmem-devel is not installed", "No match for argument: libpmem-devel\n"),
    "pkg-config": ("pkg-config does not find gnutls", "Package 'gnutls', required by 'virtual:world', not found\n"),
    "pkg-config by configure": ("pkg-config does not find libnl-3.0 >= 3.2", "configure: error: Package requirements (libnl-3.0 >= 3.2) were not met:\n"),
    "CMake package": ("CMake does not find ZLIB", "CMake Error at /usr/share/cmake/Modules/FindPackageHandleStandardArgs.cmake:230 (message):\n  Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)\n"),
    "old CMake": ("the build root's CMake is older than 3.25", "  CMake 3.25 or higher is required.  You are running version 3.20.2\n"),
    "library": ("the library numa is missing, or not there for ppc64le", "/usr/bin/ld: cannot find -lnuma: No such file or directory\n"),
    "library by lld": ("the library numa is missing, or not there for ppc64le", "ld.lld: error: unable to find library -lnuma\n"),
    "program": ("the program rpcgen is missing", "meson.build:742:2: ERROR: Program 'rpcgen' not found\n"),
    "program of the shell": ("the program nasm is missing", "make: nasm: command not found\n"),
    "autoconf": ("its build system is to be generated anew (AM_PROG_AR)", "configure.ac:12: error: possibly undefined macro: AM_PROG_AR\n"),
    # files, patches, machine
    "%files": ("%files names /usr/lib64/libx86.so, which is not installed", "error: File not found: /usr/lib64/libx86.so\n"),
    "unpackaged": ("it installs files that no %files section names", "error: Installed (but unpackaged) file(s) found:\n   /usr/bin/x\n"),
    "noarch": ("a noarch package has binaries", "error: Arch dependent binaries in noarch package\n"),
    "debugsource": ("there is nothing to debug in it (/build/x/debugsourcefiles.list)", "error: Empty %files file /build/x/debugsourcefiles.list\n"),
    "patch": ("a patch does not apply", "1 out of 3 hunks FAILED\nHunk #2 FAILED at 118.\n"),
    "cc1plus": (MEMORY, "g++: fatal error: Killed signal terminated program cc1plus\n"),
    "ld": (MEMORY, "collect2: fatal error: ld terminated with signal 9 [Killed]\n"),
    "rustc killed": (MEMORY, "error: could not compile `x` (lib)\nprocess didn't exit successfully: `rustc` (signal: 9, SIGKILL: kill)\n"),
    "Node": (MEMORY, "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n"),
    "disk": ("the disk is full", "cc1: error: cannot write /tmp/x.s: No space left on device\nx.c:1:10: fatal error: cpuid.h: No such file or directory\n"),
    "emulator": ("the emulator ended a program (signal 11)", "qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n"),
}  # fmt: skip
CHECKS = {
    "ctest": "98% tests passed, 2 tests failed out of 120\n",
    "pytest": "=========== 3 failed, 120 passed in 5.21s ===========\n",
    "automake": "# TOTAL: 20\n# FAIL:  2\n",
    "meson test": "Ok:                 20\nFail:               1\n",
    "cargo test": "test result: FAILED. 10 passed; 1 failed; 0 ignored\n",
    "without words": "make: *** [Makefile:9: check] Error 2\n",
}
