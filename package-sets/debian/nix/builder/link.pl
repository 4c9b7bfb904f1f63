# Turns an unpacked Debian package into a store path that runs from where it is:
#
#   1. usr/* moves up, so that the tree has bin, lib and share at its top
#   2. links for update-alternatives, which no maintainer script will make
#   3. symbolic links lead to the store path that has their target
#   4. scripts name their interpreter by store path
#   5. ELF files name their loader and the directories of their libraries by store path
#   6. compilers get the parts that they look for beside themselves
#   7. the dependencies are written down, for Nix and for the image's root
#
# Equal inputs give equal outputs: everything that is listed is sorted.
use strict;
use warnings;

use lib $ENV{scripts};
use Elf;

my $out = $ENV{out};
my $architecture = $ENV{architecture};
my @dependencies = split ' ', $ENV{dependencies};
# Absent for the packages that these need themselves.
my @interpreters = split ' ', $ENV{interpreters} // '';
my @shellPrograms = split ' ', $ENV{shellPrograms} // '';

my %tripletOf = (amd64 => 'x86_64-linux-gnu', arm64 => 'aarch64-linux-gnu');
my $triplet = $tripletOf{$architecture};

my %untouched = map { tr/\n//dr => 1 } readLines('untouched');
my @closure = dependencyClosure(@dependencies);

my @links = moveUsrUp();
makeAlternativeLinks();
my ($files, $librariesHere) = walkTree();
rewriteLinks(@links);
my @scriptDependencies = rewriteInterpreters(@$files);
patchElfFiles(@$files);
completeCompilers();
linkCaBundle() if $ENV{caBundle};
writeDependencies();

# --- 1. Layout

# Merges usr into the top directory. Gives every symbolic link as [new path, absolute target in the
# merged layout], computed where the link was, because its relative target counts from there.
sub moveUsrUp {
    my @found;
    my $collect;
    $collect = sub {
        my ($path) = @_;
        if (-l "$out/$path") {
            my $target = readlink "$out/$path";
            my $absolute = $target =~ m{^/} ? $target : parentOf("/$path") . "/$target";
            push @found, [ merged("/$path"), merged(normalise($absolute)), $target ];
        }
        elsif (-d "$out/$path") {
            chmod 0755, "$out/$path";
            $collect->($path eq '' ? $_ : "$path/$_") for namesIn("$out/$path");
        }
    };
    $collect->('');
    if (-d "$out/usr" && !-l "$out/usr") {
        mergeInto("$out/usr", $out);
        rmdir "$out/usr" or die "usr is not empty: $!\n";
    }
    # The mount points and homes of base-files; rmdir leaves those that hold something.
    rmdir "$out/$_" for qw(boot dev home media mnt proc root run srv sys tmp);
    return @found;
}

sub mergeInto {
    my ($from, $to) = @_;
    for my $name (namesIn($from)) {
        my ($source, $target) = ("$from/$name", "$to/$name");
        if (-d $source && !-l $source && -d $target && !-l $target) {
            mergeInto($source, $target);
            rmdir $source or die "cannot remove $source: $!\n";
        }
        else {
            rename $source, $target or die "cannot move $source to $target: $!\n";
        }
    }
}

# Every file once, hard links too, and the private library directories: {name => [directories]}.
sub walkTree {
    my (@found, %libraries, %seen);
    my $visit;
    $visit = sub {
        my ($directory) = @_;
        for my $name (namesIn($directory)) {
            my $path = "$directory/$name";
            my @stat = lstat $path or die "cannot stat $path: $!\n";
            push @{ $libraries{$name} }, $directory if $name =~ /\.so(\.|$)/;
            if (-l _) { next }
            elsif (-d _) { $visit->($path) unless $path eq "$out/lib/debug" }
            elsif (-f _ && !$seen{"$stat[0]:$stat[1]"}++) { push @found, $path }
        }
    };
    $visit->($out);
    return (\@found, \%libraries);
}

# --- 2. Alternatives

# The recorded calls of the maintainer scripts first, then those that their text spells out.
sub makeAlternativeLinks {
    makeAlternativesOf($_) for readLines('alternatives');
    for my $script (sort glob 'control/*/postinst') {
        my $text = join '', readLines($script);
        $text =~ s/\\\n/ /g;
        makeAlternativesOf($_) for $text =~ /update-alternatives\b([^\n;|&]*)/g;
    }
}

# One call: --install <link> <name> <path> <priority> [--slave <link> <name> <path>]…
sub makeAlternativesOf {
    my ($call) = @_;
    while ($call =~ /--(?:install|slave)\s+(\S+)\s+\S+\s+(\S+)/g) {
        my ($link, $target) = map { s/["']//gr } $1, $2;
        makeAlternative($link, $target) unless "$link$target" =~ /[\$`]/;
    }
}

sub makeAlternative {
    my ($link, $target) = map { merged($_) } @_;
    return if -e "$out$link" || -l "$out$link";
    return unless defined findPath($target);
    makeDirectories(parentOf($link));
    push @links, [ $link, $target, $target ];
    symlink $target, "$out$link" or die "cannot link $link: $!\n";
}

# --- 3. Symbolic links

sub rewriteLinks {
    for (@_) {
        my ($path, $target, $original) = @$_;
        my $found = findPath($target);
        my $value =
              !defined $found      ? ($original =~ m{^/} ? $original : $target)
            : $found eq $out       ? relativePath(parentOf($path), $target)
            :                        "$found$target";
        unlink "$out$path" or die "cannot replace link $path: $!\n";
        symlink $value, "$out$path" or die "cannot link $path: $!\n";
    }
}

# --- 4. Scripts

# Gives what the scripts need beside the dependencies: essential interpreters, whose own libraries
# must be in the image too, and what shell scripts call.
sub rewriteInterpreters {
    my %used;
    for my $file (@_) {
        next if !-x $file || $file =~ m{^\Q$out\E/share/doc/};
        open my $handle, '<:raw', $file or die "cannot read $file: $!\n";
        my $start = '';
        read $handle, $start, 2;
        next unless $start eq '#!';
        my $line = <$handle> // '';
        my $changed = storeInterpreter($line);
        next unless defined $changed;
        local $/;
        my $rest = <$handle> // '';
        close $handle;
        writeFile($file, "#!$changed\n$rest");
        for my $root (@interpreters) {
            $used{$root} = 1 if index($changed, "$root/") == 0;
        }
        $used{$_} = 1 for $changed =~ m{/bin/(?:ba|da)?sh\b} ? @shellPrograms : ();
    }
    return sort keys %used;
}

# The part of the first line after #!, with a store path; undef when it stays as it is.
sub storeInterpreter {
    my ($line) = @_;
    $line =~ s/\r?\n$//;
    my ($program, $parameters) = $line =~ m{^\s*(?:/usr)?/s?bin/([^\s/]+)\s*(.*?)\s*$} or return;
    if ($program eq 'env' && $parameters =~ /^([^-\s=]+)$/) {
        my $named = findProgram($1);
        return $named if defined $named;
    }
    my $path = findProgram($program) // return;
    return $parameters eq '' ? $path : "$path $parameters";
}

sub findProgram {
    my ($name) = @_;
    for my $root ($out, @closure, @interpreters) {
        for my $path ("$root/bin/$name", "$root/sbin/$name") {
            return $path if -e $path || -l $path;
        }
    }
    return;
}

# --- 5. ELF files

sub patchElfFiles {
    for my $file (@_) {
        my $path = substr $file, 1 + length $out;
        # The list of libc6's files names them where Debian has them.
        next if $untouched{$path} || $untouched{"usr/$path"};
        my $elf = Elf::readDynamic($file, $architecture) or next;
        patchElfFile($file, $elf);
    }
}

# A file that cannot be changed stays as Debian ships it; below the image's root it still runs.
sub patchElfFile {
    my ($file, $elf) = @_;
    my $interpreter;
    if (defined $elf->{interpreter}) {
        my $loader = merged($elf->{interpreter});
        my $root = findPath($loader);
        $interpreter = "$root$loader" if defined $root;
    }
    my $path = join ':', libraryPath($file, $elf);
    return if !defined $interpreter && $path eq $elf->{path};
    chmod 0755, $file;
    Elf::change($file, $elf, $interpreter, $path) or print "left as it is: $file\n";
}

# The directories that the file named itself, as far as they exist, then those of the libraries it
# needs and would not find there.
sub libraryPath {
    my ($file, $elf) = @_;
    my $origin = parentOf($file);
    my (@path, @searched);
    for my $entry (split /:/, $elf->{path}) {
        if ($entry =~ /^\$(?:ORIGIN|\{ORIGIN\})/) {
            push @path, $entry;
            push @searched, $entry =~ s/^\$(?:ORIGIN|\{ORIGIN\})/$origin/r;
        }
        elsif ($entry =~ m{^/}) {
            my @directories = grep { -d $_ } map { $_ . merged(normalise($entry)) } $out, @closure;
            push @path, @directories;
            push @searched, @directories;
        }
    }
    for my $library (@{ $elf->{needed} }) {
        next if grep { -e "$_/$library" } @searched;
        my $directory = findLibrary($library) // next;
        push @path, $directory;
        push @searched, $directory;
    }
    my %seen;
    return grep { !$seen{$_}++ } @path;
}

my %privateLibraries;

# The directory of a library: where the loader looks by itself in any package, then anywhere.
sub findLibrary {
    my ($library) = @_;
    for my $root ($out, @closure) {
        for my $directory ("$root/lib/$triplet", "$root/lib", "$root/lib64") {
            return $directory if -e "$directory/$library";
        }
    }
    return $librariesHere->{$library}[0] if $librariesHere->{$library};
    for my $root (@closure) {
        $privateLibraries{$root} //= librariesBelow("$root/lib");
        my $directory = $privateLibraries{$root}{$library};
        return $directory if defined $directory;
    }
    return;
}

sub librariesBelow {
    my ($top) = @_;
    my %directoryOf;
    my @directories = ($top);
    while (defined(my $directory = shift @directories)) {
        for my $name (namesIn($directory)) {
            my $path = "$directory/$name";
            if (-d $path && !-l $path) { push @directories, $path }
            elsif ($name =~ /\.so(\.|$)/) { $directoryOf{$name} //= $directory }
        }
    }
    return \%directoryOf;
}

# --- 6. Compilers

# A compiler follows the links to its own file and looks for its parts (cc1, crtbegin.o, headers,
# libraries) from there, where the packages that it depends on would be on a Debian system.
sub completeCompilers {
    my @hasGcc = glob "$out/lib/gcc*/*/*";
    my @directories = (@hasGcc, glob("$out/lib/llvm-*"), glob("$out/share/go-*"), "$out/lib/rustlib");
    push @directories, "$out/include/c++", "$out/include/$triplet/c++" if @hasGcc;
    for my $directory (@directories) {
        my $path = substr $directory, length $out;
        my @others = grep { -d } map { "$_$path" } @closure;
        next if -l $directory || !@others || (!-d $directory && !@hasGcc);
        makeDirectories($path);
        linkMissing($_, $directory) for @others;
    }
}

sub linkMissing {
    my ($from, $to) = @_;
    for my $name (namesIn($from)) {
        my ($source, $target) = ("$from/$name", "$to/$name");
        if (-d $source && -d $target && !-l $target) { linkMissing($source, $target) }
        elsif (!-e $target && !-l $target) {
            symlink $source, $target or die "cannot link $target: $!\n";
        }
    }
}

# --- 7. Dependencies

sub linkCaBundle {
    makeDirectories('/etc/ssl/certs');
    for my $name ('ca-bundle.crt', 'ca-certificates.crt') {
        symlink "$ENV{caBundle}/etc/ssl/certs/$name", "$out/etc/ssl/certs/$name"
            or die "cannot link $name: $!\n";
    }
}

# nixpkgs' buildEnv reads the same file: what is to be installed with this path.
sub writeDependencies {
    my %seen;
    my @all = grep { !$seen{$_}++ } @dependencies, @scriptDependencies;
    makeDirectories('/nix-support');
    writeFile("$out/nix-support/propagated-user-env-packages", join(' ', @all) . "\n");
}

# The given paths, then what they depend on, nearest first.
sub dependencyClosure {
    my @queue = @_;
    my (@found, %seen);
    while (defined(my $path = shift @queue)) {
        next if $seen{$path}++;
        push @found, $path;
        push @queue, map { split ' ' } readLines("$path/nix-support/propagated-user-env-packages");
    }
    return @found;
}

# --- Paths

# The store path whose tree has an absolute path of the merged layout.
sub findPath {
    my ($path) = @_;
    for my $root ($out, @closure) {
        return $root if -e "$root$path" || -l "$root$path";
    }
    return;
}

sub merged { return $_[0] =~ s{^/usr(?=/)}{}r }

sub normalise {
    my @parts;
    for my $part (split m{/+}, $_[0]) {
        if ($part eq '..') { pop @parts }
        elsif ($part ne '' && $part ne '.') { push @parts, $part }
    }
    return '/' . join '/', @parts;
}

sub relativePath {
    my ($from, $to) = @_;
    my @from = grep { $_ ne '' } split m{/}, $from;
    my @to = grep { $_ ne '' } split m{/}, $to;
    while (@from && @to && $from[0] eq $to[0]) { shift @from; shift @to }
    my $path = join '/', ('..') x @from, @to;
    return $path eq '' ? '.' : $path;
}

sub parentOf { return $_[0] =~ s{/[^/]*$}{}r }

sub makeDirectories {
    my $path = $out;
    for my $part (grep { $_ ne '' } split m{/}, $_[0]) {
        $path .= "/$part";
        -d $path || mkdir $path or die "cannot make $path: $!\n";
    }
}

sub namesIn {
    my ($directory) = @_;
    opendir my $handle, $directory or return;
    return sort grep { $_ ne '.' && $_ ne '..' } readdir $handle;
}

# No lines when there is no such file.
sub readLines {
    my ($file) = @_;
    open my $handle, '<:raw', $file or return;
    return <$handle>;
}

# Keeps the inode, so that hard links stay together.
sub writeFile {
    my ($file, $content) = @_;
    chmod 0755, $file if -e $file && -x $file;
    open my $handle, '>:raw', $file or die "cannot write $file: $!\n";
    print {$handle} $content or die "cannot write $file: $!\n";
    close $handle or die "cannot write $file: $!\n";
}
