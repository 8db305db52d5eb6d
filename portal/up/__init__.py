"""`portal up`: Redis, workers and web server as one program that starts, watches and stops them."""
