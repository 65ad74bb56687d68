"""What does it take to run this RPM workload on ppc64le?"""

__version__ = "0.1.0"
