#!/bin/sh
find lib -type f | sort | xargs cat main.txt
