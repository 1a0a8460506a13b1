# The one process that owns the namespaces of a container and its mounts; see agent.rs.
#
# Arguments: the folder of the mount points, then for each volume: how (`kernel` or the path of fuse2fs), the image,
# the name of its mount point, the mount options. Lines that begin with @ are for the launcher.
#
# This is process 1 of its own process namespace: when it ends, for whatever reason (the launcher's end of the
# pipe closing is one), the kernel kills everything in there and the mounts vanish with the mount namespace.
exec 2>&1
say() { printf '@%s\n' "$*"; }

say ready
read -r word && [ "$word" = go ] || exit 0
mount -t proc proc /proc </dev/null || { say failed proc; exit 1; }

base=$1
shift
names=
while [ $# -ge 4 ]; do
    how=$1 image=$2 name=$3 options=$4
    shift 4
    if [ "$how" = kernel ]; then
        mount -t ext4 -o "$options" "$image" "$base/$name" </dev/null || { say failed "$name"; exit 1; }
    else
        { "$how" -f -o "$options" "$image" "$base/$name" </dev/null; say ended "$name"; } &
    fi
    names="$name $names"
done
say mounting

# In each line: what to do, and the container's own process 1 as this namespace counts.
while read -r word pid maps; do
    case $word in
    map) # `maps` is the whole content of the two map files, with `_` for a blank and `,` for the end of a line
        text=$(printf '%s' "$maps" | tr '_,' ' \n')
        printf '%s\n' "$text" >"/proc/$pid/uid_map" && printf '%s\n' "$text" >"/proc/$pid/gid_map" &&
            say mapped || say failed map
        ;;
    term) # ask every process in the container's process namespace to end
        inside=$(readlink "/proc/$pid/ns/pid")
        for each in /proc/[0-9]*; do
            [ -n "$inside" ] && [ "$(readlink "$each/ns/pid")" = "$inside" ] && kill -TERM "${each#/proc/}"
        done
        say asked
        ;;
    kill)
        kill -KILL "$pid"
        say killed
        ;;
    unmount)
        left=
        for name in $names; do
            umount "$base/$name" </dev/null || left="$name $left"
        done
        names=$left
        if [ -z "$left" ]; then
            wait # for fuse2fs to write everything back
            say unmounted
            exit 0
        fi
        say busy "$left"
        ;;
    esac
done
