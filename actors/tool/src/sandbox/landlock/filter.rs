//! The system calls that a walled program doesn't have: what Landlock leaves open, and what reaches other processes.

use std::collections::BTreeMap;

use seccompiler::BpfProgram;
use seccompiler::SeccompAction;
use seccompiler::SeccompCmpArgLen;
use seccompiler::SeccompCmpOp;
use seccompiler::SeccompCondition;
use seccompiler::SeccompFilter;
use seccompiler::SeccompRule;

/// Refused whatever they are given.
const REFUSED: &[i64] = &[
    // Every socket: also those in files, which Landlock doesn't see.
    libc::SYS_socket,
    // Rights, owners, times and attributes of files by name, which Landlock doesn't see. By an open file they work.
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_ioprio_set,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Namespaces and mounts, in which a process has rights that it hasn't here.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_fsconfig,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // The kernel itself.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_personality,
];
/// The older forms of some, where there are any.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_kexec_file_load,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];
/// Newer than what the library knows by name; the same on every machine.
const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;
/// These work on the process itself: the argument that names a process must be 0.
const OWN_ONLY: &[(i64, u8)] = &[
    (libc::SYS_prlimit64, 0),
    // Two arguments: of a process, and this one.
    (libc::SYS_setpriority, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setattr, 0),
];
/// As if the kernel hadn't them, so that programs take the older way: a filter can't look into what these are given.
const UNKNOWN: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];
/// A user's own namespace.
const NEW_USER: u64 = 0x1000_0000;
/// Typing into a terminal for somebody else.
const TYPES: [u64; 2] = [0x5412, 0x541c];
/// Calls of a second kind have this bit; nobody needs them.
#[cfg(target_arch = "x86_64")]
const SECOND_KIND: i64 = 0x4000_0000;

/// Refuses them to this process for good.
pub(super) fn apply() -> Result<(), String> {
    let refuse = |errno: i32| SeccompAction::Errno(errno.unsigned_abs());
    let unknown = UNKNOWN.iter().map(|&call| (call, Vec::new())).collect();
    install(unknown, refuse(libc::ENOSYS))?;
    let rules = refused().map_err(|error| error.to_string())?;
    install(rules, refuse(libc::EPERM))
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn refused() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = REFUSED
        .iter()
        .chain(REFUSED_HERE)
        .map(|&call| (call, Vec::new()))
        .collect();
    let when = |argument: u8, is: SeccompCmpOp, value: u64| {
        SeccompRule::new(vec![SeccompCondition::new(
            argument,
            SeccompCmpArgLen::Dword,
            is,
            value,
        )?])
    };
    for &(call, argument) in OWN_ONLY {
        let other = when(argument, SeccompCmpOp::Ne, 0)?;
        rules.entry(call).or_default().push(other);
    }
    // Times of a file by name: without a name they are those of an open file.
    let named = SeccompCondition::new(1, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    rules.insert(libc::SYS_utimensat, vec![SeccompRule::new(vec![named])?]);
    let user = SeccompCmpOp::MaskedEq(NEW_USER);
    rules.insert(libc::SYS_clone, vec![when(0, user, NEW_USER)?]);
    let types = TYPES.map(|kind| when(1, SeccompCmpOp::Eq, kind));
    rules.insert(
        libc::SYS_ioctl,
        types.into_iter().collect::<Result<_, _>>()?,
    );
    #[cfg(target_arch = "x86_64")]
    {
        let same = rules.keys().copied().chain(UNKNOWN.iter().copied());
        let other: Vec<i64> = same.chain(512..=547).collect();
        rules.extend(
            other
                .into_iter()
                .map(|call| (call | SECOND_KIND, Vec::new())),
        );
    }
    Ok(rules)
}

fn install(rules: Rules, action: SeccompAction) -> Result<(), String> {
    let machine = std::env::consts::ARCH;
    let target = machine
        .try_into()
        .map_err(|_| format!("no filter of system calls is known for {machine}"))?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, target);
    let program: Result<BpfProgram, _> = filter.and_then(TryInto::try_into);
    let program = program.map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_can_be_written_for_this_machine() {
        let filter = SeccompFilter::new(
            refused().unwrap(),
            SeccompAction::Allow,
            SeccompAction::Errno(1),
            std::env::consts::ARCH.try_into().unwrap(),
        );
        let program: BpfProgram = filter.unwrap().try_into().unwrap();
        // What the kernel takes at most.
        assert!(program.len() < 4096, "{}", program.len());
    }
}
